extension IndonesianTexts {
  /// Rights and mailboxes of others, and what several extensions say together.
  static let sharing: [String: String] = [
    "rights": "hak",
    "identifier": "pengenal",
    "Not an identifier": "Bukan pengenal",
    "Other rights": "Hak yang lain",
    "Rights are in lower case": "Hak ditulis dengan huruf kecil",
    "There is a right that is not known here: lrswipkxtea are":
      "Ada hak yang tidak dikenal di sini; yang dikenal lrswipkxtea",
    "No account has this name": "Tidak ada akun bernama itu",
    "A mailbox can be shared with at most %1 accounts": "Sebuah kotak surat dapat dibagi dengan paling banyak %1 akun",
    "The owner of a mailbox has all rights in it": "Pemilik kotak surat memiliki semua hak di dalamnya",
    "You have no right to do that": "Anda tidak berhak melakukan itu",
    "You have no right to make a mailbox of this name": "Anda tidak berhak membuat kotak surat bernama itu",
    "You have no right to change these flags": "Anda tidak berhak mengubah tanda-tanda ini",
    "You have no right to change what others see": "Anda tidak berhak mengubah yang dilihat orang lain",
    "Mailboxes of others have no special use": "Kotak surat milik orang lain tidak memiliki kegunaan khusus",
    "A mailbox stays with its owner; COPY its messages, or MOVE them":
      "Kotak surat tetap pada pemiliknya; salin pesannya dengan COPY atau pindahkan dengan MOVE",
    "The INBOX of somebody else stays where it is": "INBOX milik orang lain tetap di tempatnya",
    "These are surrogates": "Ini pengganti",
    "Message numbers are not told with UIDONLY": "Nomor pesan tidak diberitahukan bersama UIDONLY",
  ]
}
