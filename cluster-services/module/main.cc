// k42-module: what the makers of modules do with keys and files, away from any cluster.
//
//   k42-module keys FOLDER
//       a new pair: FOLDER/module.key (mode 0600), FOLDER/keys/module.pem
//
//   k42-module sign MODULE.ko --key FOLDER/module.key -o MODULE.k42m
//
//   k42-module show MODULE.k42m
//       class, versions, kernel, digest
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "abi/module.h"
#include "cluster-services/upgrade/module_file.h"
#include "cluster-services/upgrade/module_record.h"

namespace {

using namespace k42;

constexpr std::size_t kSignature = 64;

int Complain(const std::string& text) {
  std::fprintf(stderr, "k42-module: %s\n", text.c_str());
  return 1;
}

bool Read(const std::string& path, std::string* text) {
  std::ifstream file(path, std::ios::binary);
  text->assign(std::istreambuf_iterator<char>(file), {});
  return file.is_open() && !file.bad();
}

// Never over an existing file: a key that is replaced by mistake is lost.
bool WriteNew(const std::string& path, const std::string& text, mode_t mode) {
  const int file = open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode);
  if (file < 0)
    return false;
  const bool written = write(file, text.data(), text.size()) == static_cast<ssize_t>(text.size());
  return close(file) == 0 && written;
}

int Keys(const std::string& folder) {
  const auto pair = upgrade::MakeKeyPair();
  if (!pair.ok())
    return Complain(pair.detail());
  std::error_code error;
  std::filesystem::create_directories(folder + "/keys", error);
  if (!WriteNew(folder + "/module.key", pair->private_key, 0600) ||
      !WriteNew(folder + "/keys/module.pem", pair->public_key, 0644))
    return Complain(folder + ": module.key or keys/module.pem cannot be made, or is there already");
  return 0;
}

int Sign(const std::string& path, const std::string& key_path, const std::string& output) {
  std::string bytes;
  std::string key;
  if (!Read(path, &bytes))
    return Complain(path + " cannot be read");
  if (!Read(key_path, &key))
    return Complain(key_path + " cannot be read");
  if (bytes.size() > abi::kModuleFileLimit)
    return Complain(path + " is larger than a module may be (1 MiB)");
  const auto info = upgrade::ReadModuleInfo(bytes);
  if (!info.ok())
    return Complain(path + ": " + info.detail());
  const auto module = upgrade::Sign(std::move(bytes), key);
  if (!module.ok())
    return Complain(key_path + ": " + module.detail());
  std::ofstream file(output, std::ios::binary | std::ios::trunc);
  file << upgrade::Encode(module.value());
  return file.flush() ? 0 : Complain(output + " cannot be written");
}

int Show(const std::string& path) {
  std::string text;
  if (!Read(path, &text) || text.size() < kSignature)
    return Complain(path + " is no signed module");
  const std::string bytes = text.substr(kSignature);
  const auto info = upgrade::ReadModuleInfo(bytes);
  if (!info.ok())
    return Complain(path + ": " + info.detail());
  std::printf("class %s, version %u to %u\nfor the kernel with build id %s\ndigest %s\n",
              info->class_name.c_str(), info->from_version, info->to_version,
              info->build_id.c_str(), upgrade::DigestOf(bytes).c_str());
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Makes keys, signs modules, shows what a signed module is.");
  app.require_subcommand(1);
  std::string folder, module, key, output;
  CLI::App* keys = app.add_subcommand("keys", "a new key pair");
  keys->add_option("folder", folder)->required();
  CLI::App* sign = app.add_subcommand("sign", "signs a module");
  sign->add_option("module", module, "as the build made it (*.ko)")->required();
  sign->add_option("--key", key, "private key, PEM")->required();
  sign->add_option("-o,--output", output)->required();
  CLI::App* show = app.add_subcommand("show", "what a signed module is");
  show->add_option("module", module)->required();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error);
  }
  if (*keys)
    return Keys(folder);
  return *sign ? Sign(module, key, output) : Show(module);
}
