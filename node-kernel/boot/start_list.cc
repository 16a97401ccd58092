#include "boot/start_list.h"

#include "boot/memory_nodes.h"
#include "boot/options.h"
#include "boot/start_debugging.h"
#include "boot/start_files.h"
#include "boot/start_link.h"
#include "boot/start_memory.h"
#include "boot/start_modules.h"
#include "boot/start_objects.h"
#include "boot/start_processes.h"
#include "boot/start_served.h"
#include "boot/start_terminals.h"
#include "boot/start_trace.h"
#include "boot/test_hook.h"
#include "clock.h"
#include "console.h"
#include "cpu_features.h"
#include "drivers/pci_places.h"
#include "drivers/serial.h"
#include "early_memory.h"
#include "io_apic.h"
#include "kernel_tables.h"
#include "lapic.h"
#include "machine/boot_info.h"
#include "machine/clock.h"
#include "machine/cpu.h"
#include "machine/interrupts.h"
#include "machine/log.h"
#include "machine/power.h"
#include "machine/thread.h"
#include "pvh.h"
#include "start_cpus.h"
#include "trace/trace.h"

namespace k42::boot {

using machine::Log;

void StartKernel(std::uint32_t start_info) {
  machine::StampBootTime();
  drivers::StartSerial();
  machine::SetConsole(drivers::WriteSerial);
  machine::RequireCpuFeatures();
  machine::EnableCpuFeatures();
  machine::ReadStartInfo(start_info);
  RefuseBadOptions();
  machine::StartEarlyMemory(machine::FreeRam());
  machine::StartKernelTables(machine::RamRanges());
  machine::ReadFirmwareTables();
  machine::MaskPic();
  machine::MapLapic(machine::GetAcpi().lapic_address);
  machine::StartLapic();
  machine::BeginCalibration(machine::GetAcpi().pm_timer_port);
  machine::StartBootCpu();
  StartTrace();
  StartMemory();
  machine::StartIoApics();
  machine::FinishCalibration();
  trace::PublishClock();
  machine::StartOtherCpus();
  AssignCpusToNodes();
  machine::EnableInterrupts();
  StartObjects();
  StartDebugging();
  StartModules();
  StartProcesses();
  StartTerminals();
  drivers::PlacePciDevices();
  StartFiles();
  StartLink();
  OpenFirstStreams();
  const machine::BootInfo& info = machine::GetBootInfo();
  Log("k42: ready, {} CPUs, {} MiB, {} ms", machine::CpuCount(), info.ram_size >> 20,
      machine::MonotonicNs() / 1'000'000);
  if (RunGuestTests != nullptr) {
    RunGuestTests();
  }
  StartFirstProcess();
  GiveConsoleToFirstProcess();
  if (machine::BootOption("exit", "no") != "no" && Processes().tasks.count() == 0) {
    machine::PowerOff(machine::ExitCode::kSuccess);
  }
  StartServedFiles();
  ContinueFirstProcess();
  machine::Thread::Exit();
}

}  // namespace k42::boot
