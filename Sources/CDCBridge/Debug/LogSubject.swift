package import MilvusWire

/// What a message of the log is about, read from the few fields that say it: rows and schemas are not looked at.
package struct LogSubject: Sendable, Equatable {
  package var collectionID: Int64?
  package var databaseID: Int64?
  /// As the message itself says them; nil where it says only ids, or nothing.
  package var database: String?
  package var collection: String?

  package init(_ message: LogMessage) {
    let header = message.type.headerProto.flatMap { MessageDescriptor(named: $0) }
    let body = message.isEncrypted ? nil : message.type.bodyProto.flatMap { MessageDescriptor(named: $0) }
    read(Array(message.header), header)
    read(message.bytes, body, in: message.payload.indices)
    if message.type == .alterCollection { readUpdates(message) }
  }

  /// The fields that are called so in any of the types (`wal-protocol.md` §3.2, §3.3).
  private mutating func read(_ bytes: [UInt8], _ type: MessageDescriptor?, in range: Range<Int>? = nil) {
    guard let type else { return }
    let names = type.fields.reduce(into: [UInt32: String]()) { $0[$1.number] = $1.name }
    var reader = WireReader(bytes, in: range)
    while let field = try? reader.next() {
      guard let name = names[field.number] else { continue }
      switch (name, field.content) {
      case ("collection_id", .varint(let value)), ("collectionID", .varint(let value)):
        collectionID = Int64(bitPattern: value)
      case ("db_id", .varint(let value)), ("dbID", .varint(let value)): databaseID = Int64(bitPattern: value)
      case ("collection_name", .lengthDelimited(let range)), ("collectionName", .lengthDelimited(let range)):
        collection = String(decoding: reader.bytes[range], as: UTF8.self)
      case ("db_name", .lengthDelimited(let range)): database = String(decoding: reader.bytes[range], as: UTF8.self)
      default: break
      }
    }
  }

  /// The new names of a collection that was renamed or moved.
  private mutating func readUpdates(_ message: LogMessage) {
    guard case .alterCollection(let change)? = try? LogChange(message), let updates = change.updates else { return }
    if change.maskPaths.contains("collection_name") { collection = updates.collectionName }
    if change.maskPaths.contains("db"), !updates.dbName.isEmpty { database = updates.dbName }
  }
}

/// What collections are called, and which of their fields is the key: from a look at the catalogue, then from the log itself.
package struct NameBook: Sendable {
  package struct Entry: Sendable, Equatable {
    package var path: CollectionPath
    /// nil where no schema was seen.
    package var keyField: String?
    package init(path: CollectionPath, keyField: String?) {
      self.path = path
      self.keyField = keyField
    }
  }
  package private(set) var entries: [Int64: Entry] = [:]

  package init() {}

  package mutating func learn(_ description: CollectionDescription, path: CollectionPath) {
    entries[description.id] = Entry(path: path, keyField: description.schema.primaryKey?.name)
  }

  /// Takes what a message of the log says about names. Later messages then have them.
  package mutating func learn(_ message: LogMessage, _ subject: LogSubject) {
    guard let id = subject.collectionID else { return }
    switch message.type {
    case .createCollection:
      guard let name = subject.collection, case .createCollection(let change)? = try? LogChange(message) else { return }
      let schema = (try? change.schema()) ?? nil
      entries[id] = Entry(path: CollectionPath(database: subject.database ?? "", name: name), keyField: schema?.primaryKey?.name)
    case .alterCollection:
      if let name = subject.collection {
        let database = subject.database ?? entries[id]?.path.database ?? ""
        entries[id] = Entry(path: CollectionPath(database: database, name: name), keyField: entries[id]?.keyField)
      }
    default: break
    }
  }

  /// Takes the catalogue of a recording (`LogCatalog`).
  package mutating func learn(catalog: JSONValue) {
    guard let fields = try? JSONFields(catalog), let catalog = try? LogCatalog(fields) else { return }
    for collection in catalog.collections.values {
      entries[collection.id] = Entry(path: collection.path, keyField: collection.schema.primaryKey?.name)
    }
  }

  /// The collection of a message: by its id, else by the names that it has itself.
  package func path(_ subject: LogSubject) -> CollectionPath? {
    if let id = subject.collectionID, let entry = entries[id] { return entry.path }
    guard let name = subject.collection, !name.isEmpty else { return nil }
    return CollectionPath(database: subject.database ?? "", name: name)
  }
}

/// Which messages are shown. Every part that is set must hold.
package struct LogFilter: Sendable {
  /// Empty: all.
  package var types: Set<LogMessageType> = []
  package var database: String?
  package var collections: Set<String> = []
  package var keys: Set<RowKey> = []
  /// Begin and commit of transactions, which say nothing by themselves, only where no other filter asks for content.
  package init() {}

  package var isEmpty: Bool { types.isEmpty && database == nil && collections.isEmpty && keys.isEmpty }

  /// `path`: the collection that the message is about, where it is known.
  package func takes(_ message: LogMessage, path: CollectionPath?, subject: LogSubject, book: NameBook) -> Bool {
    if !types.isEmpty, !types.contains(message.type) { return false }
    if let database, (path?.database ?? subject.database) != database { return false }
    if !collections.isEmpty {
      guard let path, collections.contains(path.name) || collections.contains(path.description) else { return false }
    }
    return keys.isEmpty || holdsKey(message, subject, book)
  }

  private func holdsKey(_ message: LogMessage, _ subject: LogSubject, _ book: NameBook) -> Bool {
    !Self.keys(of: message, subject, book).isDisjoint(with: keys)
  }

  /// The rows of an insert with one of the keys, by their place; nil: nothing asks for keys, or it is no insert.
  func rows(of message: LogMessage, _ subject: LogSubject, _ book: NameBook) -> [Int]? {
    guard !keys.isEmpty, case .insert(_, let rows)? = try? LogChange(message) else { return nil }
    var found: Set<Int> = []
    Self.forEachKey(of: rows, subject, book) { row, key in
      if keys.contains(key) { found.insert(row) }
    }
    return found.sorted()
  }

  /// The primary keys of an insert or a delete. Where no schema was seen every column that could be the key counts.
  static func keys(of message: LogMessage, _ subject: LogSubject, _ book: NameBook) -> Set<RowKey> {
    switch try? LogChange(message) {
    case .delete(_, let rows)?: return Set(rows.keys.rowKeys)
    case .insert(_, let rows)?:
      var keys: Set<RowKey> = []
      forEachKey(of: rows, subject, book) { _, key in keys.insert(key) }
      return keys
    default: return []
    }
  }

  private static func forEachKey(of rows: InsertRows, _ subject: LogSubject, _ book: NameBook, _ body: (_ row: Int, RowKey) -> Void) {
    let keyField = subject.collectionID.flatMap { book.entries[$0]?.keyField }
    for column in rows.columns {
      guard let view = try? ColumnView(Array(column)), keyField == nil || view.name == keyField else { continue }
      for row in 0..<view.rowCount { if let key = view.key(row) { body(row, key) } }
    }
  }

  /// A key as a person writes it: a number is a number, and a text in quotes is always a text.
  package static func keys(of text: String) -> [RowKey] {
    if text.count >= 2, text.hasPrefix("\""), text.hasSuffix("\"") { return [.text(String(text.dropFirst().dropLast()))] }
    if let number = Int64(text) { return [.int(number), .text(text)] }
    return [.text(text)]
  }
}
