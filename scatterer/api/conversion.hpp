// From the wire's types to the public ones and back. Pure functions, any thread.
#pragma once

#include "fanfold/scatterer.hpp"
#include "shared/base/slice.hpp"
#include "shared/wire/messages.hpp"

namespace fanfold::scatterer {

FragmentOutcome outcome_of(wire::FailureKind kind);
JobOutcome outcome_of(wire::Outcome outcome);
FragmentResult result_of(const wire::Failure& failure, const Slice& output);
/// A run that is one failure.
ResultRun run_of(const wire::Failure& failure, const Slice& output);
JobEnd end_of(const wire::Concluded& concluded);
JobStatus status_of(const wire::JobInfo& info);
WorkerStatus status_of(const wire::WorkerInfo& info);
GathererStatus status_of(const wire::GathererInfo& info);
/// Throws FanfoldError for options that make no sense, naming them.
wire::JobSpec spec_of(const std::string& function, const JobOptions& options);

}  // namespace fanfold::scatterer
