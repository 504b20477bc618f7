/// One long-lived part of the process.
///
/// Contract. `run` returns when the part has ended: after `stop`, soon and in good order; when its task is cancelled, at once.
package protocol Service: Sendable {
  var name: String { get }
  func run() async
  /// No new work; what is under way is finished. Does not wait for it.
  func stop() async
}

/// Runs services together. When told to stop, they are stopped in the reverse of their order, each given its grace to end by itself
/// before it is cancelled.
package struct ServiceGroup: Sendable {
  package let services: [any Service]
  package let grace: Duration
  private let timekeeper: any Timekeeper

  package init(
    _ services: [any Service], grace: Duration = .seconds(5), timekeeper: any Timekeeper = SystemTimekeeper()
  ) {
    self.services = services
    self.grace = grace
    self.timekeeper = timekeeper
  }

  /// Returns when `stopRequested` has returned and every service has ended, or when every service has ended by itself.
  package func run(until stopRequested: @escaping @Sendable () async -> Void) async {
    let runs = services.map { service in Task { await service.run() } }
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await stopRequested() }
      group.addTask { for run in runs { await run.value } }
      await group.next()
      group.cancelAll()
      for (service, run) in zip(services, runs).reversed() { await end(service, run) }
    }
  }

  private func end(_ service: any Service, _ run: Task<Void, Never>) async {
    await service.stop()
    await withTaskGroup(of: Void.self) { group in
      group.addTask { await run.value }
      group.addTask { [timekeeper, grace] in
        do {
          try await timekeeper.wait(until: timekeeper.now + grace)
          run.cancel()
        } catch {
          // It ended in time.
        }
      }
      await group.next()
      // Only the service's own end counts; after the grace it comes at once.
      await run.value
      group.cancelAll()
    }
  }
}
