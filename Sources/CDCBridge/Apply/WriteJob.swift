internal import MilvusWire

/// One write that is to be done: rows of a page, or keys to delete. It keeps its page alive until it is confirmed.
struct WriteJob: Sendable, Identifiable {
  enum Work: Sendable {
    /// `isUpdate`: the target has rows with these keys.
    case rows(RowColumns, RowSelection, isUpdate: Bool)
    case delete([RowKey])
  }
  let id: Int
  /// The stretch that it belongs to; see `ConfirmedProgress`.
  let stretches: [Int]
  var work: Work
  /// An earlier try may have been applied: only a write that a repeat cannot double may follow (D16).
  var isUncertain: Bool
  /// Times the connection broke while this job was out.
  var drops = 0
  /// Tries that ended without saying what happened.
  var repeats = 0

  var count: Int {
    switch work {
    case .rows(let columns, let selection, _): selection.count(of: columns.rowCount)
    case .delete(let keys): keys.count
    }
  }

  /// Two jobs for the two halves of its rows; nil for a single row. Tries of the whole are forgotten, its uncertainty is not.
  func halves(_ firstID: Int, _ secondID: Int) -> (WriteJob, WriteJob)? {
    guard count > 1 else { return nil }
    let middle = count / 2
    func part(_ id: Int, _ work: Work) -> WriteJob {
      WriteJob(id: id, stretches: stretches, work: work, isUncertain: isUncertain)
    }
    switch work {
    case .rows(let columns, let selection, let isUpdate):
      let rows: [Int32] =
        switch selection {
        case .all: Array(0..<Int32(columns.rowCount))
        case .rows(let chosen): chosen
        }
      return (
        part(firstID, .rows(columns, .rows(Array(rows[..<middle])), isUpdate: isUpdate)),
        part(secondID, .rows(columns, .rows(Array(rows[middle...])), isUpdate: isUpdate))
      )
    case .delete(let keys):
      return (part(firstID, .delete(Array(keys[..<middle]))), part(secondID, .delete(Array(keys[middle...]))))
    }
  }

  /// The smallest and the largest key, for naming a batch.
  var keyRange: (RowKey, RowKey)? {
    let keys: [RowKey]
    switch work {
    case .rows(let columns, let selection, _): keys = columns.keys(selection)
    case .delete(let listed): keys = listed
    }
    guard let first = keys.min(), let last = keys.max() else { return nil }
    return (first, last)
  }
}

extension RowColumns {
  /// The keys of these rows, in their order.
  func keys(_ selection: RowSelection) -> [RowKey] {
    switch selection {
    case .all: (0..<rowCount).map { key.key($0) }
    case .rows(let rows): rows.map { key.key(Int($0)) }
    }
  }
}

/// What became of one try of a job.
enum WriteOutcome: Sendable {
  /// The target confirmed it.
  case done(rows: Int, bytes: Int)
  case failed(CallError)
  /// A row of it must not be sent, or cannot be written in the target's form: nothing was sent.
  case unsendable(reason: String)
  /// Nothing of the unit can go on.
  case stopped(BridgeError)
}
