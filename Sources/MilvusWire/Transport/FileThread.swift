/// Runs blocking file calls on a thread of its own, one after another in the order they were asked for, so that flushing a disk never
/// holds up the cooperative pool.
package final class FileThread: Sendable {
  private let threads = BlockingThreads(threadCountMax: 1)
  package init() {}

  package func run<Value: Sendable>(
    _ call: @escaping @Sendable () throws(FileError) -> Value
  ) async throws(FileError) -> Value {
    let result: Result<Value, FileError> = await Handover.receive { handover in
      threads.run {
        do throws(FileError) {
          handover.give(.success(try call()))
        } catch {
          handover.give(.failure(error))
        }
      } noThread: {
        handover.give(.failure(FileError(.other, "the system has no thread for a file call")))
      }
    }
    return try result.get()
  }
}
