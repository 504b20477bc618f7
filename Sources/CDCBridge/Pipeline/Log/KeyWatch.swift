internal import MilvusWire

/// The keys that the log touches while a pass runs over their collection. Safe from any thread.
///
/// A key counts from when a change of it arrives until what was read before the change took effect on the target cannot be written any
/// more. Memory: one entry for each key that was touched since the oldest page in use was asked for; where the target is not scanned, since
/// it was made.
final class KeyWatch: Sendable {
  private struct State: Sendable {
    var epoch: UInt64 = 1
    var keys: [RowKey: UInt64] = [:]
    /// Changes of a key that have arrived and not taken effect.
    var pending: [RowKey: Int] = [:]
    var receipts: [LogReceipt: [RowKey]] = [:]
  }
  private let state = Locked(State())
  private let keepsAll: Bool

  /// `keepsAll`: the pass does not look at the target, so it has to be told of every key that the log has written.
  init(keepsAll: Bool) { self.keepsAll = keepsAll }

  /// Before a page is asked for.
  func mark() -> UInt64 {
    if keepsAll { return 0 }
    return state.withLock { state in
      state.epoch += 1
      return state.epoch
    }
  }

  func arrived(_ keys: [RowKey], receipt: LogReceipt) {
    guard !keys.isEmpty else { return }
    state.withLock { state in
      guard state.receipts[receipt] == nil else { return }
      state.receipts[receipt] = keys
      for key in keys {
        state.keys[key] = state.epoch
        state.pending[key, default: 0] += 1
      }
    }
  }

  /// A change took effect, or will never be written.
  func settled(_ receipt: LogReceipt) {
    state.withLock { state in
      for key in state.receipts.removeValue(forKey: receipt) ?? [] {
        state.keys[key] = state.epoch
        guard let count = state.pending[key] else { continue }
        state.pending[key] = count > 1 ? count - 1 : nil
      }
    }
  }

  /// What was touched since `mark`, and what is on its way whenever it came. Forgets the rest: marks only grow.
  func touched(since mark: UInt64) -> TouchedKeys {
    state.withLock { state in
      state.keys = state.keys.filter { $0.value >= mark || state.pending[$0.key] != nil }
      var keys = state.keys
      for key in state.pending.keys { keys[key] = max(keys[key] ?? mark, mark) }
      return TouchedKeys(keys, since: mark)
    }
  }
}
