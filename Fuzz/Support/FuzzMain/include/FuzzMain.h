#pragma once
/// libFuzzer's main under a name of its own.
int merpati_fuzz_main(int argc, char **argv);
