internal import CPlatform
internal import Glibc

/// Starts operating system threads for work that must not use the cooperative pool: loops and blocking calls.
enum DedicatedThread {
  /// Holds the body between the caller and the new thread.
  private final class Start {
    let body: @Sendable () -> Void
    init(_ body: @escaping @Sendable () -> Void) { self.body = body }
  }

  /// Runs `body` on a new detached thread; false when the system has no thread to give.
  static func start(_ body: @escaping @Sendable () -> Void) -> Bool {
    var attributes = pthread_attr_t()
    guard pthread_attr_init(&attributes) == 0 else { return false }
    defer { pthread_attr_destroy(&attributes) }
    guard pthread_attr_setdetachstate(&attributes, Int32(PTHREAD_CREATE_DETACHED)) == 0 else {
      return false
    }
    var thread = pthread_t()
    // SAFETY: the thread takes over this reference (takeRetainedValue); where no thread starts it is released below.
    let start = Unmanaged.passRetained(Start(body))
    let code = pthread_create(
      &thread, &attributes,
      { argument in
        guard let argument else { return nil }
        // SAFETY: `argument` is the retained Start of the only pthread_create call that uses this function.
        Unmanaged<Start>.fromOpaque(argument).takeRetainedValue().body()
        return nil
      }, start.toOpaque())
    guard code == 0 else {
      start.release()
      return false
    }
    return true
  }

  /// A number that is different for every thread alive.
  static var currentID: UInt { UInt(pthread_self()) }
}
