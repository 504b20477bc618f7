package import MilvusWire

/// What a task knows about one target collection that is its own: who made it, from what, and how far its rows are. Kept durably.
///
/// | Stage    | Entered by                               | Exits to                                        | What a restart does |
/// |----------|------------------------------------------|-------------------------------------------------|---------------------|
/// | creating | stored before CreateCollection           | owned (the target shows the schema that was asked for) | looks; creates if it is missing |
/// | owned    | creating, an adoption                    | dropping, renaming                              | aligns it |
/// | dropping | stored before DropCollection             | removed, or creating where the source has a new one    | drops it, if it is still the same |
/// | renaming | stored before RenameCollection           | owned under the new name                        | looks which name exists, finishes |
package struct OwnedCollection: Sendable, Equatable {
  package enum Stage: String, Sendable, Equatable, CaseIterable {
    case creating, owned, dropping, renaming
  }
  /// What an index was on both sides when it was made: a server may describe an index in other words than it was asked for.
  package struct IndexPair: Sendable, Equatable {
    package var source: String
    package var target: String
    /// Where the target's is not what the source's is: why.
    package var note: String?
    package init(source: String, target: String, note: String? = nil) {
      self.source = source
      self.target = target
      self.note = note
    }
  }

  /// How far the first copy is, stored now and then while it runs: a restart goes on from there.
  package struct CopyProgress: Sendable, Equatable {
    /// Source partition (empty: the whole collection) → the target has confirmed its rows up to this key.
    package var confirmed: [String: RowKey]
    /// About how many rows that are; for the view.
    package var rowsRead: Int64
    /// When the copy began to read: what the source changed later may lie before the keys and is the next pass's.
    package var readAtUnixMs: Int64
    package init(confirmed: [String: RowKey] = [:], rowsRead: Int64 = 0, readAtUnixMs: Int64) {
      self.confirmed = confirmed
      self.rowsRead = rowsRead
      self.readAtUnixMs = readAtUnixMs
    }
  }

  /// Rows that the target refused, each alone, since all rows were compared last.
  package struct Refused: Sendable, Equatable {
    package var rows: Int64
    /// What the target said about the last one; no values.
    package var reason: String
    package init(rows: Int64, reason: String) {
      self.rows = rows
      self.reason = reason
    }
    /// For the view.
    package var description: String { "\(rows) rows were not written, the last one: \(reason)" }
    package static let hint = "cdc-bridge compare names them; mend them on the source."
  }

  package var source: CollectionPath
  package var target: CollectionPath
  package var stage: Stage
  package var sourceIdentity: CollectionIdentity
  /// Unknown until the target was seen after its creation.
  package var targetIdentity = CollectionIdentity.unknown
  /// The new target name while `stage` is renaming, else nil.
  package var renamingTo: CollectionPath?
  /// Taken over with rows in it (`adopt: true`): it is kept when its source is dropped.
  package var isAdopted = false
  /// Of the blueprint it was last aligned with.
  package var fingerprint: String
  /// True after schema, indexes and load state were aligned once: what differs later is a change.
  package var isSetUp = false
  /// True after its aliases were aligned once.
  package var hasAliases = false
  /// By field name and JSON path.
  package var indexes: [String: IndexPair] = [:]

  // Rows.
  /// The first pass over all rows has ended.
  package var isCopied = false
  /// Of a first copy that has not ended; nil: it starts, or would start, at the first row.
  package var copy: CopyProgress?
  /// Set before the first write of a pass, cleared after its clean end: what is on the target is then not exactly what the last pass left.
  package var isUncertain = false
  /// Changes of a log were lost or left out: rows have to be compared with the source again (D18).
  package var needsComparison = false
  /// What the target lacks for good reason; kept until a whole comparison finds nothing refused.
  package var refused: Refused?
  package var watermarkUnixMs: Int64?
  package var inserted: Int64 = 0
  package var updated: Int64 = 0
  package var deleted: Int64 = 0
  package var bytesWritten: Int64 = 0

  package init(
    source: CollectionPath, target: CollectionPath, stage: Stage, sourceIdentity: CollectionIdentity,
    fingerprint: String
  ) {
    self.source = source
    self.target = target
    self.stage = stage
    self.sourceIdentity = sourceIdentity
    self.fingerprint = fingerprint
  }
}
