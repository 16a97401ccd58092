// signalfd: pending signals read as records.
#pragma once

namespace k42::personality {

struct Task;

// A signal has been posted to the task or one of its threads: whoever polls a signalfd looks again.
void SignalArrived(Task& task);

}  // namespace k42::personality
