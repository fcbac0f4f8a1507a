// An environment variable for the length of a test; nullptr: without it.
#pragma once

#include <cstdlib>

namespace forerun {

class Setting {
 public:
  Setting(const char* name, const char* value) : name_(name) {
    value != nullptr ? ::setenv(name, value, 1) : ::unsetenv(name);
  }
  ~Setting() { ::unsetenv(name_); }
  Setting(const Setting&) = delete;
  Setting& operator=(const Setting&) = delete;

 private:
  const char* name_;
};

}  // namespace forerun
