internal import Glibc
internal import Synchronization

/// Counts 0, 1, … and starts again, from any thread.
final class RoundRobin: Sendable {
  private let counter = Atomic<UInt>(0)

  func next(below count: Int) -> Int {
    let (old, _) = counter.wrappingAdd(1, ordering: .relaxed)
    return Int(old % UInt(count))
  }
}

/// How many processors this process may use.
enum ProcessorCount {
  static var available: Int { max(1, Int(sysconf(Int32(_SC_NPROCESSORS_ONLN)))) }
}
