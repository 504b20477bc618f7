internal import MilvusWire

/// What a task does before it has a session: tries until it works, in sight, for as long as a failure may pass by itself.
struct PatientStart: Sendable {
  let time: RunnerTime
  let reporter: ProgressReporter
  /// Which servers they are is not known yet.
  private static let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)

  /// nil: the task was cancelled first.
  func callAsFunction<Value>(_ body: () async throws(BridgeError) -> Value) async throws(TaskStop) -> Value? {
    var backoff = RetryBackoff()
    while !Task.isCancelled {
      do throws(BridgeError) {
        let value = try await body()
        reporter.setTaskTrouble(nil)
        return value
      } catch {
        if Task.isCancelled { return nil }
        switch Self.policy.decide(error) {
        case .stopTask(let hint), .stopCollection(let hint): throw TaskStop(error, hint: hint)
        case .retry(let pace, let hint):
          let delay = backoff.nextDelay(pace, random: time.random())
          reporter.setTaskTrouble(
            ProgressReporter.Trouble(
              message: error.description, hint: hint, attempt: backoff.attempt, nextTryAt: time.now() + delay))
          _ = await time.sleep(delay)
        }
      }
    }
    return nil
  }
}
