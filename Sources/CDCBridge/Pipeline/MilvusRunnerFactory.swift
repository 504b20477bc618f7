package import MilvusWire

/// Makes the runners of real tasks, over `MilvusClient`, and answers what `create` asks before a task exists.
///
/// Which capture a task runs with is `CaptureRunner`'s choice.
package struct MilvusRunnerFactory: TaskRunnerFactory {
  private let environment: ReconcileRunner.Environment

  package init(environment: ReconcileRunner.Environment = .milvus) { self.environment = environment }

  package func makeRunner(
    taskID: String, spec: TaskSpec, checkpoints: any CheckpointStore, board: ProgressBoard
  ) -> any TaskRunner {
    CaptureRunner(
      taskID: taskID, spec: spec, checkpoints: checkpoints, board: board, environment: environment)
  }

  /// Connect with the token, tried again inside the connection's timeout as long as the failure may pass by itself.
  package func check(_ connection: ClusterConnection, side: BridgeError.Side) async throws(BridgeError) {
    let policy = ErrorPolicy(sourceIsLite: false, targetIsLite: false)
    let cluster = environment.connect(connection)
    let end = environment.time.now() + connection.connectTimeout
    var backoff = RetryBackoff()
    var failure: BridgeError?
    while failure == nil || environment.time.now() < end {
      do {
        // A proxy may let Connect through and refuse the rest: the version is asked too, with the same token.
        _ = try await cluster.connect()
        _ = try await cluster.getVersion()
        await cluster.close()
        return
      } catch {
        let error = BridgeError(error, side: side, operation: "connect to \(cluster.peer)")
        failure = error
        guard case .retry = policy.decide(error) else { break }
        let left = end - environment.time.now()
        let delay = min(left, backoff.nextDelay(.quick, random: environment.time.random()))
        guard left > .zero, await environment.time.sleep(delay) else { break }
      }
    }
    await cluster.close()
    if let failure { throw failure }
  }

  package func plan(_ spec: TaskSpec) async throws(BridgeError) -> [String] {
    if spec.apply == .public, let refusal = CaptureChoice.refusal(of: spec) { throw refusal }
    let source = environment.connect(spec.source)
    let target = environment.connect(spec.target)
    let result: Result<[String], BridgeError>
    do throws(BridgeError) {
      let lines: [String]
      if spec.apply == .native {
        let pair = try await NativeRunner.pair(environment, source, target)
        lines = try await NativeRunner.plan(spec, pair, time: environment.time)
      } else {
        lines = try await preview(spec, source, target)
      }
      result = .success(lines)
    } catch {
      result = .failure(error)
    }
    await source.close()
    await target.close()
    return try result.get()
  }

  private func preview(
    _ spec: TaskSpec, _ source: any MilvusCluster, _ target: any MilvusCluster
  ) async throws(BridgeError) -> [String] {
    let pair = ClusterPair(
      source: source, sourceProfile: try await ReconcileSession.probe(source, side: .source),
      target: target, targetProfile: try await ReconcileSession.probe(target, side: .target))
    return try await TaskPreview(spec: spec, pair: pair).lines()
  }
}

extension ReconcileRunner.Environment {
  /// Real clients, the real row engine, the real clock.
  package static let milvus: ReconcileRunner.Environment = {
    var environment = ReconcileRunner.Environment(
      connect: { MilvusClient($0) },
      makePass: { RowPass(pair: $0, unit: $1, options: $2, report: $3) })
    environment.connectNative = { source, target in
      // What one pchannel of a stopped target may hold in the window; there may be many.
      var options = ChannelOptions()
      options.limits.streamWindowBytes = 1 << 20
      // Long writes; what waits here is held by the relay anyway.
      options.sendQueueBytesMax = 512 << 10
      // Without a loop of their own the calls say why.
      let loop = try? ConnectionLoopGroup.shared().next()
      let loops = loop.map { ConnectionLoopGroup(sharing: $0) }
      return NativeEnds(
        source: MilvusClient(source, options: options, loops: loops), target: MilvusClient(target, options: options, loops: loops),
        loop: loop)
    }
    return environment
  }()
}
