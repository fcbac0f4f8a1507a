// Running another program.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace forerun {

/// Runs `arguments[0]`, looked for on the PATH, without input, and waits for it. What it prints
/// goes to `log`. Returns its wait status (0: done). Throws Error with `remedy` if it cannot be
/// started.
int run_program(std::vector<std::string> arguments, const std::filesystem::path& log,
                const std::string& remedy);

}  // namespace forerun
