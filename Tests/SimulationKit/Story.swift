/// A difference as a mail engineer reads it.
public enum Story {
  /// Comment lines with what differs, then the script itself: the whole can be saved and replayed.
  public static func tell(_ script: SimulationScript, _ difference: Simulation.Difference) -> String {
    var lines = ["# Two stores differ at step \(difference.step + 1) of \(script.steps.count)."]
    if difference.step < script.steps.count { lines.append("#   \(script.steps[difference.step])") }
    let sqlite = split(difference.sqlite)
    let model = split(difference.model)
    let same = zip(sqlite, model).prefix { $0 == $1 }.count
    lines.append("# SQLite says\(same > 0 ? ", after \(same) equal lines" : ""):")
    lines += sqlite.dropFirst(same).prefix(12).map { "#   \($0.prefix(300))" }
    lines.append("# the model says:")
    lines += model.dropFirst(same).prefix(12).map { "#   \($0.prefix(300))" }
    return lines.joined(separator: "\n") + "\n" + script.description
  }

  private static func split(_ text: String) -> [Substring] {
    text.split(separator: "\r\n", omittingEmptySubsequences: true)
  }
}
