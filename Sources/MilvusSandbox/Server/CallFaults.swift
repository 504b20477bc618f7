internal import MilvusWire

/// What happens to unary calls on demand: the first rule for a method that still has calls left decides.
struct CallFaults {
  enum Action: Sendable {
    /// Before anything happens.
    case delay(milliseconds: Int64)
    /// After it has happened.
    case delayAnswer(milliseconds: Int64)
    /// The call never arrives: UNAVAILABLE.
    case drop
    /// It happens, and the client hears UNAVAILABLE.
    case dropAnswer
    /// It happens twice, as when something on the way sends it again.
    case twice
    /// It never answers.
    case hang
    /// A Milvus Status, without anything having happened.
    case status(Refusal)
    /// A gRPC status, without anything having happened.
    case rpc(RPCStatusCode, String)
  }
  private struct Rule {
    /// nil: every method.
    var method: String?
    var action: Action
    /// Calls left; nil: for ever.
    var count: Int?
    /// Calls that pass before.
    var skip: Int
  }
  private var rules: [Rule] = []

  mutating func add(_ action: Action, method: String?, count: Int?, skip: Int) {
    rules.append(Rule(method: method, action: action, count: count, skip: skip))
  }
  mutating func removeAll() { rules.removeAll() }

  /// What happens to this call; counts it.
  mutating func take(_ method: String) -> Action? {
    for index in rules.indices where rules[index].method == nil || rules[index].method == method {
      guard rules[index].count != 0 else { continue }
      if rules[index].skip > 0 {
        rules[index].skip -= 1
        continue
      }
      rules[index].count = rules[index].count.map { $0 - 1 }
      return rules[index].action
    }
    return nil
  }
}

extension Sandbox {
  /// One call with the fault that is due for it.
  func callWithFaults(_ name: String, _ request: [UInt8], database: String) async throws -> [UInt8] {
    func once() async throws -> [UInt8] { try await perform(name, request, database: database) }
    let lost = RPCError(.unavailable, "connection reset", initiator: .remote)
    switch faults.callFault(name) {
    case nil: return try await once()
    case .delay(let milliseconds):
      try await Task.sleep(for: .milliseconds(milliseconds))
      return try await once()
    case .delayAnswer(let milliseconds):
      let answer = try await once()
      try await Task.sleep(for: .milliseconds(milliseconds))
      return answer
    case .drop: throw lost
    case .dropAnswer:
      _ = try await once()
      throw lost
    case .twice:
      _ = try await once()
      return try await once()
    case .hang: return try await Self.never()
    case .status(let refusal): return try Self.answer(refusal, to: name)
    case .rpc(let code, let text): throw RPCError(code, text, initiator: .remote)
    }
  }

  /// Until the client gives up.
  static func never<T>() async throws -> T {
    while true { try await Task.sleep(for: .seconds(3600)) }
  }
}
