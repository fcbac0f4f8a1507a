#include "measure/launch/agreement.h"

#include <elf.h>
#include <link.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <vector>

#include "model/error.h"
#include "model/io/json_reader.h"

namespace forerun {
namespace {

constexpr size_t kShownBytes = 8;  // of a build id's 20: enough to differ

std::string hexadecimal(const unsigned char* bytes, size_t size) {
  std::string text;
  for (size_t i = 0; i < size; ++i) {
    char digits[3];
    std::snprintf(digits, sizeof digits, "%02x", bytes[i]);
    text += digits;
  }
  return text;
}

/// Of the notes in a segment; empty where it has none. Source: elf(5), "Notes".
std::string build_id(const unsigned char* notes, size_t size, size_t align) {
  const auto padded = [&](size_t bytes) { return (bytes + align - 1) / align * align; };
  for (size_t at = 0; at + sizeof(ElfW(Nhdr)) <= size;) {
    const auto* note = reinterpret_cast<const ElfW(Nhdr)*>(notes + at);
    const std::string owner(reinterpret_cast<const char*>(note + 1), note->n_namesz);
    const size_t content = at + padded(sizeof *note + note->n_namesz);
    if (note->n_type == NT_GNU_BUILD_ID && owner == std::string("GNU\0", 4)) {
      return hexadecimal(notes + content, std::min<size_t>(note->n_descsz, kShownBytes));
    }
    at = content + padded(note->n_descsz);
  }
  return "";
}

std::string build_id(const dl_phdr_info& file) {
  for (int i = 0; i < file.dlpi_phnum; ++i) {
    const ElfW(Phdr)& segment = file.dlpi_phdr[i];
    if (segment.p_type != PT_NOTE) continue;
    const auto* notes = reinterpret_cast<const unsigned char*>(file.dlpi_addr + segment.p_vaddr);
    const std::string id = build_id(notes, segment.p_memsz, segment.p_align == 8 ? 8 : 4);
    if (!id.empty()) return id;
  }
  return "";
}

struct Search {
  std::string part, found;
};

int look_at(dl_phdr_info* file, size_t, void* data) {
  auto& search = *static_cast<Search*>(data);
  const std::string path = file->dlpi_name;
  if (path.find(search.part) == path.npos) return 0;
  const std::string id = build_id(*file);
  std::error_code unknown;
  const auto bytes = std::filesystem::file_size(path.empty() ? "/proc/self/exe" : path, unknown);
  search.found = id.empty() ? "no build id" : "build " + id;
  if (!unknown) search.found += ", " + std::to_string(bytes) + " bytes";
  return 1;
}

}  // namespace

std::string loaded_file(const std::string& part) {
  Search search{part, "not loaded"};
  ::dl_iterate_phdr(look_at, &search);
  return search.found;
}

void require_agreement(Communicator& world, const StartedAs& mine) {
  char host[256] = {};
  ::gethostname(host, sizeof host - 1);
  const Json said = {{"host", host},
                     {"command", "`measure " + mine.command + "`"},
                     {"program", mine.program},
                     {"libraries", mine.libraries}};
  const std::vector<std::string> all = world.all_gather(said.dump());
  const Json first = Json::parse(all.front());
  for (size_t r = 1; r < all.size(); ++r) {
    const Json other = Json::parse(all[r]);
    const auto differs = [&](const char* key) { return other.at(key) != first.at(key); };
    const auto of = [](const Json& rank, const char* key) {
      return rank.at(key).get<std::string>();
    };
    const std::string who = "rank " + std::to_string(r) + " on host " + of(other, "host");
    if (differs("command")) {
      throw Error(who + " was started as " + of(other, "command") + ", rank 0 as " +
                  of(first, "command") + "; start all ranks alike");
    }
    if (differs("program")) {
      throw Error(who + " runs another build of measure (" + of(other, "program") +
                  "; rank 0's has " + of(first, "program") + "); install one on all hosts");
    }
    if (differs("libraries")) {
      throw Error(who + " runs measure with other libraries (" + of(other, "libraries") +
                  "; rank 0 with " + of(first, "libraries") + "); install the same on all hosts");
    }
  }
}

}  // namespace forerun
