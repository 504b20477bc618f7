package import MilvusWire

/// Plays a recording into a target, through the pipeline of a task that follows a log: the same catalogue, barriers, checks and writes.
/// Rows are written by Upsert, so that a repeat changes nothing. It ends when the target has everything; a file that is followed, when its
/// recording was ended in good order.
package struct Replay: Sendable {
  package struct Options: Sendable {
    package var until: TimeTick?
    /// Messages a second on each channel; nil: as fast as the target takes them.
    package var rate: Int?
    /// Collections that exist may be taken over.
    package var adopt = false
    /// Goes on although something in the middle of the recording is missing. What could harm a target is never overridden.
    package var ignoresHoles = false
    /// The file is still being written.
    package var follows = false
    /// Rows of these keys stay on the target as they are; by the recorded path.
    package var kept: [CollectionPath: Set<RowKey>] = [:]
    package init() {}
  }
  private let path: String
  private let survey: RecordSurvey
  private let target: ClusterConnection
  private let selection: ObjectSelection
  private let options: Options

  package init(path: String, survey: RecordSurvey, target: ClusterConnection, selection: ObjectSelection, options: Options) {
    (self.path, self.survey, self.target, self.selection, self.options) = (path, survey, target, selection, options)
  }

  private static let operation = "replay"

  static func refusal(_ message: String, _ hint: String? = nil) -> BridgeError {
    BridgeError(.invalidInput, side: .local, operation: operation, message: message, hint: hint)
  }

  /// Why it must not be played, whichever way; nil: it may.
  static func refusal(_ survey: RecordSurvey, _ options: Options) -> BridgeError? {
    if survey.messages == 0, !options.follows { return refusal("the recording holds no messages") }
    if let obstacle = survey.obstacles.first { return refusal(obstacle) }
    if survey.hasHoles, !options.ignoresHoles {
      return refusal(
        "something in the middle of the recording is missing, so the target would differ from the source",
        "Give --force to replay what there is.")
    }
    return nil
  }

  private var refusal: BridgeError? {
    if let refusal = Self.refusal(survey, options) { return refusal }
    if let obstacle = survey.publicObstacles.first { return Self.refusal(obstacle) }
    if !survey.unknown.isEmpty, !options.ignoresHoles {
      return Self.refusal(
        "the recording does not say what \(survey.unknown.joined(separator: ", ")) looked like: it began after they were made",
        "Give --force to replay the others.")
    }
    return nil
  }

  /// The survey of a file that is being written, once it has a head and what the head announces. `waits` is called when there is none yet.
  package static func surveyWhenReady(path: String, time: RunnerTime = .system, waits: () -> Void) async throws -> RecordSurvey? {
    var hasSaid = false
    while true {
      do {
        let survey = try RecordSurvey(path: path, isGrowing: true)
        if survey.isReady { return survey }
      } catch let error as LocalFile.Failure {
        if LocalFile.exists(path) { throw error }
      }
      if !hasSaid { waits() }
      hasSaid = true
      guard await time.sleep(.milliseconds(200)) else { return nil }
    }
  }

  /// Returns when everything is on the target; throws what needs a person.
  package func run(board: ProgressBoard) async throws {
    if let refusal { throw refusal }
    let client = MilvusClient(target)
    let result: Result<Void, any Error>
    do { result = .success(try await play(client, board)) } catch { result = .failure(error) }
    await client.close()
    try result.get()
  }

  private func play(_ client: MilvusClient, _ board: ProgressBoard) async throws {
    let keeper = try await CheckpointKeeper(taskID: "replay", store: ForgetfulStore())
    let channels = options.follows ? try RecordedSource.channels(following: survey) : survey.places
    let source = RecordedSource(path: path, channels: channels, until: options.until, rate: options.rate, follows: options.follows)
    let start = try source.start(controlChannel: survey.control)
    let catalog = try survey.catalog.map { try LogCatalog(JSONFields($0)) } ?? LogCatalog.empty
    await keeper.change { $0.log = LogCheckpoint(start: start, catalog: catalog, seededAt: TimeTick(0)) }
    guard options.follows else { return try await session(source, start, client, keeper, board) }
    try await RecordedEnd.following(path) { try await session(source, start, client, keeper, board) }
    if Task.isCancelled { return }
    // What the session had not taken yet, from where it was.
    let whole = try RecordSurvey(path: path)
    let rest = RecordedSource(path: path, channels: try source.channels(upTo: whole), until: nil, rate: options.rate)
    try await session(rest, start, client, keeper, board)
  }

  /// Ends by itself where the source has a last message.
  private func session(
    _ source: RecordedSource, _ start: LogStart, _ client: MilvusClient, _ keeper: CheckpointKeeper, _ board: ProgressBoard
  ) async throws {
    var spec = TaskSpec(source: target, target: target, selection: selection)
    spec.capture = .wal
    spec.initialCopy = false
    spec.adopt = options.adopt
    spec.onGap = .stop
    if !source.follows { spec.endAt = source.last }
    var profile = ServerProfile(kind: .milvus, version: nil, versionText: "a recording")
    profile.hasLog = true
    let pair = ClusterPair(
      source: source, sourceProfile: profile, target: client, targetProfile: try await ReconcileSession.probe(client, side: .target))
    let reporter = ProgressReporter(board: board)
    let session = LogSession(
      spec: spec, environment: .milvus, keeper: keeper, reporter: reporter, pair: pair, log: source, start: start,
      captureReason: "a recording is replayed", repeatable: LogSession.Repeatable(kept: options.kept))
    do throws(TaskStop) {
      try await session.run()
      reporter.ended(with: nil)
    } catch {
      reporter.ended(with: error)
      guard error.reason == "reached end_at" else { throw error }
    }
  }
}

/// Keeps nothing: a replay that was cut off is begun again.
struct ForgetfulStore: CheckpointStore {
  func load(taskID: String) async throws(BridgeError) -> [UInt8]? { nil }
  func save(taskID: String, document: [UInt8]) async throws(BridgeError) {}
  func remove(taskID: String) async throws(BridgeError) {}
}

extension LogCatalog {
  /// What a new cluster has.
  static var empty: LogCatalog {
    var catalog = LogCatalog()
    catalog.databases[1] = Database(id: 1, name: "default")
    return catalog
  }
}
