#include "predict/current_calibration.h"

#include <filesystem>

#include "model/error.h"

namespace forerun {
namespace {

namespace fs = std::filesystem;

bool is_newer(const fs::path& a, const fs::path& b) {
  std::error_code error;
  const auto time_a = fs::last_write_time(a, error);
  if (error) return false;
  const auto time_b = fs::last_write_time(b, error);
  return error || time_a > time_b;
}

/// The store's calibration; where it cannot be read, how to have another.
Calibration load_known(const Store& store, bool has_profile) {
  try {
    return load_calibration(store.calibration());
  } catch (const Error& error) {
    if (!has_profile) throw;
    throw Error(std::string(error.what()) + "; `calibrate` makes it anew from " +
                store.profile().string());
  }
}

}  // namespace

Calibration current_calibration(const Store& store, const std::string& explicit_path,
                                const std::function<Calibration(const Profile&)>& calibrate,
                                const std::function<void(const std::string&)>& warn) {
  if (!explicit_path.empty()) return load_calibration(explicit_path);
  const bool has_profile = fs::exists(store.profile());
  const bool has_calibration = fs::exists(store.calibration());
  if (!has_profile && !has_calibration) {
    throw Refusal(store.folder.string() +
                  ": nothing was measured there (no profile.json and no calibration.json); run "
                  "`measure` first, or name another place with --store or --calibration");
  }
  if (has_calibration) {
    Calibration known = load_known(store, has_profile);
    if (!has_profile || !is_newer(store.profile(), store.calibration())) return known;
    if (fs::path(known.source).filename() != store.profile().filename()) {
      warn(store.profile().string() + " is newer than the calibration, which was made from " +
           known.source + " and is kept (run `calibrate` to replace it)");
      return known;
    }
  }
  Calibration fresh = calibrate(load_profile(store.profile()));
  try {
    save_calibration(store.calibration(), fresh);
  } catch (const Error& error) {
    warn(std::string("the new calibration is used but not kept: ") + error.what());
  }
  return fresh;
}

}  // namespace forerun
