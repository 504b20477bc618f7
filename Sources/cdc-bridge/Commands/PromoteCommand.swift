internal import CDCBridge
internal import MilvusWire

/// `cdc-bridge promote` and `cdc-bridge detach`: end a replication. Both ask twice.
enum PromoteCommand {
  static let promote = Command(
    name: "promote", topic: .clusters, summary: "make a standby a primary, by force",
    description: """
      Makes the standby of a native replication a primary of its own, now (force promotion). What its source has not sent yet never arrives. Its \
      source does not notice: stop the writers there first, and delete the task.

      Asks twice: for the cluster's id, then for yes. --cluster-id and --yes answer for scripts.
      """,
    options: [ConnectionOptions(side: .target).group, answers],
    examples: [
      .init(purpose: "Promote a standby after its source was lost.", line: "cdc-bridge promote --target-uri http://10.0.0.2:19530"),
      .init(
        purpose: "The same from a script.",
        line: "cdc-bridge promote --target-uri http://10.0.0.2:19530 --cluster-id by-prod --yes"),
    ]
  ) { try await run($0, .promote, .target) }

  static let detach = Command(
    name: "detach", topic: .clusters, summary: "take a primary out of Milvus's own replication",
    description: """
      Ends the replication of a primary that is configured for it: it stands alone afterwards, and its standbys become primaries once they have \
      received everything. A source that only the bridge reads from is not configured, and has nothing to detach: promote the standby instead.

      Asks twice: for the cluster's id, then for yes. --cluster-id and --yes answer for scripts.
      """,
    options: [ConnectionOptions(side: .source).group, answers],
    examples: [.init(purpose: "End the replication of a primary.", line: "cdc-bridge detach --source-uri http://10.0.0.1:19530")]
  ) { try await run($0, .detach, .source) }

  private static let answers = Command.OptionGroup(
    title: "answers",
    options: [
      CommandOption(name: "cluster-id", placeholder: "ID", help: "The id of the cluster, which is asked for first."),
      CommandOption(name: "yes", help: "Answers the second question."),
      .config,
    ])

  private static func run(_ invocation: Invocation, _ way: NativePromotion.Way, _ side: ConnectionOptions.Side) async throws -> ExitCode {
    let givenID = try invocation.string("cluster-id")
    let isYes = try invocation.flag("yes")
    let client = MilvusClient(try ConnectionOptions(side: side).connection(invocation))
    let result: Result<ExitCode, any Error>
    do {
      let promotion = NativePromotion(way, replica: client)
      let plan = try await promotion.plan()
      for line in plan.lines { Console.error(line) }
      let isMeant = agrees(givenID, to: plan.clusterID, "Type the id of the cluster to go on: ")
      if isMeant, isYes || agrees(nil, to: "yes", "This cannot be undone. Type yes: ") {
        try await promotion.perform(plan)
        Console.print("\(plan.clusterID): done")
        result = .success(.success)
      } else {
        let reason = givenID.map { $0 == plan.clusterID ? "" : ": '\($0)' is not the id of this cluster" } ?? ""
        Console.error("cdc-bridge \(way == .promote ? "promote" : "detach"): nothing was changed\(reason)")
        result = .success(.failure)
      }
    } catch {
      result = .failure(error)
    }
    await client.close()
    return try result.get()
  }

  private static func agrees(_ given: String?, to wanted: String, _ question: String) -> Bool {
    if let given { return given == wanted }
    StandardStreams.write(question, to: .error)
    return readLine() == wanted
  }
}
