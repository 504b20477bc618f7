extension ConnectionLoopGroup {
  private static let sharedResult: Result<ConnectionLoopGroup, WireError> = {
    do throws(WireError) {
      return .success(try ConnectionLoopGroup())
    } catch {
      return .failure(error)
    }
  }()

  /// The process's loops, one for each core, started when they are first asked for.
  package static func shared() throws(WireError) -> ConnectionLoopGroup { try sharedResult.get() }
}
