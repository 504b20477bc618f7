package import MilvusWire

/// What a recording holds, found by reading it once.
package struct RecordSurvey: Sendable {
  package struct Collection: Sendable, Equatable {
    package var path: CollectionPath?
    package var insertedRows = 0
    package var deletedKeys = 0
    package var changes = 0
  }
  package var messages = 0
  package var first: TimeTick?
  package var last: TimeTick?
  package var collections: [Int64: Collection] = [:]
  package var channels: [String] { places.keys.sorted(by: LogSurvey.isBefore) }
  package private(set) var damages: [(offset: Int, bytes: Int, why: String)] = []
  package private(set) var notes: [String] = []
  /// Messages that no target can be sent, and why.
  package private(set) var obstacles: [String] = []
  /// Messages that have no public form: a standby takes them as they are.
  package private(set) var publicObstacles: [String] = []
  /// The recording was ended in good order, and nothing stands behind.
  package private(set) var isEnded = false
  /// Damage that is not the end of the file: something in the middle is missing.
  package private(set) var hasHoles = false
  var places: [String: RecordedSource.Channel] = [:]
  var catalog: JSONValue?
  /// Where the recording began on each channel, as its head says; none in older recordings and those of a tap.
  private(set) var starts: [String: LogReadStart] = [:]
  /// The version text of the server, and where it listened; empty where the recording does not say.
  private(set) var server = ""
  private(set) var sourceURI = ""
  /// What has to stand in the file before it can be replayed: a head, and the catalogue that it announces.
  private(set) var hasHead = false
  private var announcesCatalog = false
  /// By collection: the channels on which its creation stands, and those on which it has to.
  private var creations: [Int64: (seen: Set<String>, wanted: Set<String>)] = [:]
  /// With changes whose creation does not stand before them.
  private var headless: Set<Int64> = []
  /// Named by any message, with rows or without.
  private(set) var namedPchannels: Set<String> = []
  var controlChannel = ""
  private var book = NameBook()
  private var units: [String: RecordedUnits] = [:]
  /// Messages that stand in the file again, and parts of transactions that are not whole there.
  package private(set) var passedOver = 0
  /// Collections that the recording describes, at its beginning or by their creation.
  private var described: Set<Int64> = []

  /// Collections with rows that cannot be replayed, because the recording does not say what they are.
  package var unknown: [String] {
    collections.filter { ($0.value.insertedRows > 0 || $0.value.deletedKeys > 0) && !described.contains($0.key) }
      .map { $0.value.path?.description ?? "collection \($0.key)" }.sorted()
  }

  /// Collections whose log does not begin with their creation on each of their channels: a standby could not make anything of it.
  var incomplete: Set<Int64> { headless.union(creations.filter { !$0.value.wanted.isSubset(of: $0.value.seen) }.keys) }

  func name(_ id: Int64) -> String { collections[id]?.path?.description ?? "collection \(id)" }

  var isReady: Bool { hasHead && (!announcesCatalog || catalog != nil) }

  /// `isGrowing`: the file is still being written, so that a block which ends early is none yet.
  package init(path: String, isGrowing: Bool = false) throws {
    var reader = RecordReader(try LocalFile.reading(path))
    reader.isGrowing = isGrowing
    var hasEnded = false
    while let found = try reader.next() {
      if hasEnded { hasHoles = true }
      switch found.item {
      case .head(let head):
        hasEnded = false
        add(head)
      case .call: break
      case .end: isEnded = true
      case .catalog(let value):
        catalog = catalog ?? value
        book.learn(catalog: value)
        described.formUnion(book.entries.keys)
      case .note(let text): notes.append(text)
      case .damage(let bytes, let why):
        damages.append((found.offset, bytes, why))
        hasEnded = true
      case .message(let message, let pchannel): add(message, pchannel)
      }
      if case .end = found.item { continue }
      isEnded = false
    }
  }

  private mutating func add(_ head: JSONObject) {
    let fields = JSONFields(head)
    if !hasHead {
      announcesCatalog = (try? fields.optionalBool("has_catalog")) ?? false
      server = head["server"]?.stringValue ?? ""
      sourceURI = head["source"]?.stringValue ?? ""
    }
    hasHead = true
    for value in (try? fields.optionalArray("pchannels")) ?? [] {
      if let start = LogReadStart(value), starts[start.pchannel] == nil { starts[start.pchannel] = start }
    }
  }

  private mutating func add(_ message: LogMessage, _ pchannel: String) {
    messages += 1
    namedPchannels.insert(pchannel)
    namedPchannels.formUnion(message.broadcast?.vchannels.map { ChannelName.pchannel(of: $0) } ?? [])
    if controlChannel.isEmpty, let control = message.broadcast?.vchannels.first(where: { ChannelName.isControl($0) }) {
      controlChannel = control
    }
    if let id = message.collectionID {
      if message.type == .createCollection {
        creations[id, default: ([], [])].seen.insert(message.vchannel)
        creations[id]?.wanted.formUnion(message.broadcast?.vchannels ?? [])
      } else if creations[id]?.seen.contains(message.vchannel) != true {
        headless.insert(id)
      }
    }
    first = min(first ?? message.timeTick, message.timeTick)
    last = max(last ?? message.timeTick, message.timeTick)
    if ChannelName.isControl(message.vchannel) { controlChannel = message.vchannel }
    var place =
      places[pchannel]
      ?? RecordedSource.Channel(
        first: message.timeTick, last: message.timeTick, kind: message.id.kind, confirmed: message.id)
    place.first = min(place.first, message.timeTick)
    place.last = max(place.last, message.timeTick)
    places[pchannel] = place
    if message.type == .txn { obstacle("transactions were recorded empty: the server was older than 2.6.20") }
    if !message.type.isKnown { publicObstacle("messages of type \(message.type.name), which this build does not know") }
    book.learn(message, LogSubject(message))
    if !message.type.isTransactionBracket, let id = LogSubject(message).collectionID, collections[id] == nil {
      collections[id] = Collection()
    }
    let passed = units[pchannel, default: RecordedUnits()].received(message)
    passedOver += 1 - passed.count
    for message in passed { count(message) }
  }

  /// What a replay would do with a message.
  private mutating func count(_ message: LogMessage) {
    let subject = LogSubject(message)
    guard let id = subject.collectionID else { return }
    var collection = collections[id] ?? Collection()
    collection.path = book.path(subject) ?? collection.path
    switch message.type {
    case .insert:
      if case .insert(_, let rows)? = try? LogChange(message) { collection.insertedRows = collection.insertedRows &+ rows.rowCount }
      if message.isEncrypted { publicObstacle("rows are encrypted, and the key is the source's") }
    case .delete:
      if case .delete(_, let rows)? = try? LogChange(message) {
        collection.deletedKeys = collection.deletedKeys &+ rows.keys.count
        if rows.hasPlan { publicObstacle("a delete by predicate, which no public call takes") }
      }
    case .createCollection:
      described.insert(id)
      collection.changes += 1
    default: collection.changes += 1
    }
    collections[id] = collection
  }

  private mutating func obstacle(_ text: String) {
    if !obstacles.contains(text) { obstacles.append(text) }
  }

  private mutating func publicObstacle(_ text: String) {
    if !publicObstacles.contains(text) { publicObstacles.append(text) }
  }

  /// For a person.
  package var lines: [String] {
    var lines = ["\(messages) messages on \(channels.count) \(channels.count == 1 ? "channel" : "channels")"]
    if let first, let last { lines[0] += ", from \(TickText.time(first)) to \(TickText.time(last))" }
    if passedOver > 0 {
      lines.append("  \(passedOver) of them stand there again, or are parts of transactions that are not whole: passed over")
    }
    for (id, collection) in collections.sorted(by: { $0.key < $1.key }) {
      lines.append(
        "  \(collection.path?.description ?? "collection \(id)"): \(collection.insertedRows) rows inserted, \(collection.deletedKeys) keys deleted, "
          + "\(collection.changes) other changes")
    }
    if !unknown.isEmpty { lines.append("  not described, and so not to be replayed: \(unknown.joined(separator: ", "))") }
    lines += notes.map { "  note: \($0)" }
    lines += damages.map { "damage at byte \($0.offset): \($0.bytes) bytes, \($0.why)" }
    return lines.map(SafeText.line)
  }

  package var json: JSONValue {
    [
      "messages": .int(messages), "passed_over": .int(passedOver), "channels": .array(channels.map { .string($0) }),
      "from": .text(first.map { TickText.time($0) }),
      "to": .text(last.map { TickText.time($0) }),
      "collections": .array(
        collections.sorted { $0.key < $1.key }.map { id, collection in
          .object([
            "id": .string(String(id)), "database": .text(collection.path?.database), "name": .text(collection.path?.name),
            "inserted_rows": .int(collection.insertedRows), "deleted_keys": .int(collection.deletedKeys),
            "changes": .int(collection.changes),
          ])
        }), "notes": .array(notes.map { .string($0) }),
      "damages": .array(damages.map { .object(["offset": .int($0.offset), "bytes": .int($0.bytes), "why": .string($0.why)]) }),
      "obstacles": .array((obstacles + publicObstacles).map { .string($0) }),
    ]
  }
}
