package import MilvusWire

/// Writes what is read of a log into a recording (`RecordWriter`), whole transactions together and nothing that a filter leaves out.
package actor Recording: LogReadSink {
  private let writer: RecordWriter
  private let filter: LogFilter
  private let countMax: Int?
  private let tell: @Sendable (LogShow.Line) -> Void
  private var book: NameBook
  package private(set) var recorded = 0

  package init(
    _ writer: RecordWriter, filter: LogFilter, countMax: Int?, book: NameBook, tell: @escaping @Sendable (LogShow.Line) -> Void
  ) {
    self.writer = writer
    self.filter = filter
    self.countMax = countMax
    self.book = book
    self.tell = tell
  }

  /// What a recording begins with: where it comes from, which channels it is of and from where on, and what stood there.
  package static func begin(
    _ writer: RecordWriter, uri: String, profile: ServerProfile?, starts: [LogReadStart] = [], catalog: LogCatalog?, unixMs: Int64
  ) throws {
    var head: JSONObject = [
      "version": 1, "program": .string("cdc-bridge \(bridgeVersion)"), "created": .string(CivilTime(unixMilliseconds: unixMs).rfc3339),
      "source": .string(uri), "server": .string(profile?.versionText ?? ""), "has_catalog": .bool(catalog != nil),
    ]
    if !starts.isEmpty { head["pchannels"] = .array(starts.map(\.json)) }
    try writer.begin(head)
    if let catalog { try writer.catalog(try catalog.json()) }
  }

  /// What a recording that was not cut off ends with.
  package static func end(_ writer: RecordWriter, unixMs: Int64) throws {
    try writer.end(["ended": .string(CivilTime(unixMilliseconds: unixMs).rfc3339)])
  }

  package func take(_ event: LogReadEvent) throws -> Bool {
    switch event {
    case .note(let text): tell(.note(text))
    case .warning(let text):
      tell(.warning(text))
      try writer.note(text)
    case .message(let message, let pchannel):
      let subject = LogSubject(message)
      book.learn(message, subject)
      // Begin and commit hold a transaction together, whatever is chosen of its members.
      let isBracket = message.type.isTransactionBracket
      guard isBracket || filter.takes(message, path: book.path(subject), subject: subject, book: book) else { return true }
      try writer.append(message, pchannel: pchannel)
      recorded += 1
      // A count ends between transactions.
      if let countMax, recorded >= countMax, message.transaction == nil || message.type == .commitTxn { return false }
    }
    return true
  }

  /// Writes out what is waiting, now and then.
  package func keepFlushing(every period: Duration = .milliseconds(500)) async throws {
    while (try? await Task.sleep(for: period)) != nil { try writer.flush() }
  }
}

extension LogReading {
  /// What stands on the source, for a recording of what follows; nil: it cannot be read.
  package static func catalog(of cluster: any MilvusCluster, profile: ServerProfile) async -> LogCatalog? {
    let selection = ObjectSelection(patterns: [.init(database: "*", collection: "*")])
    let reader = CatalogReader(cluster: cluster, profile: profile, side: .source)
    return try? await LogSeed(reader: reader, selection: selection).read()
  }
}

extension LogReadStart {
  /// `{"name": "…", "id": "EAA=", "kind": 4, "from": "470…"}`; `from` is 0 where everything that can be read is.
  var json: JSONValue {
    [
      "name": .string(pchannel), "id": .string(id.text), "kind": .int(id.kind.rawValue), "from": .string(tick.description),
    ]
  }

  init?(_ value: JSONValue) {
    guard let object = value.objectValue, let name = object["name"]?.stringValue, let id = object["id"]?.stringValue,
      let kind = (try? JSONFields(object).int64("kind")), let from = object["from"]?.stringValue.flatMap({ UInt64($0) })
    else { return nil }
    self.init(pchannel: name, id: LogMessageID(id, LogKind(rawValue: Int32(clamping: kind))), isInclusive: true, tick: TimeTick(from))
  }
}
