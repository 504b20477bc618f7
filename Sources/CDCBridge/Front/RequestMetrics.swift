internal import MilvusWire

/// Counts of task API requests under the original's names (`task-api.md` §4.4). Unknown request types count as `unknown`, so that a client
/// cannot make series.
package final class RequestMetrics: Sendable {
  package enum Status: String, Sendable, CaseIterable {
    case total, success, fail
    case invalidMethod = "invalid_method"
    case unmarshalError = "unmarshal_error"
  }
  private struct Latency {
    /// One count per bucket of `boundsMs`, then everything slower.
    var counts = [Int](repeating: 0, count: RequestMetrics.boundsMs.count + 1)
    var sumMs = 0.0
  }
  private struct State {
    var counts: [String: [Status: Int]] = [:]
    var latencies: [String: Latency] = [:]
  }
  private static let boundsMs = [1, 2, 4, 8, 16, 32, 64, 128]
  private let state = Locked(State())

  package init() {}

  package func count(_ type: TaskAPI.RequestType?, _ status: Status) {
    state.withLock { $0.counts[Self.label(type), default: [:]][status, default: 0] += 1 }
  }

  package func observe(_ type: TaskAPI.RequestType, took duration: Duration) {
    let ms = duration / .milliseconds(1)
    let bucket = Self.boundsMs.firstIndex { ms <= Double($0) } ?? Self.boundsMs.count
    state.withLock { state in
      state.latencies[Self.label(type), default: Latency()].counts[bucket] += 1
      state.latencies[Self.label(type), default: Latency()].sumMs += ms
    }
  }

  private static func label(_ type: TaskAPI.RequestType?) -> String { type?.rawValue ?? "unknown" }

  func append(to text: inout MetricsText) {
    let state = state.withLock { $0 }
    text.family("milvus_cdc_request_total", "counter", "Task API requests.")
    for (type, counts) in state.counts.sorted(by: { $0.key < $1.key }) {
      for status in Status.allCases {
        guard let count = counts[status] else { continue }
        text.sample(
          "milvus_cdc_request_total", [("request_type", type), ("request_status", status.rawValue)],
          Double(count))
      }
    }
    text.family(
      "milvus_cdc_request_latency", "histogram", "Milliseconds to answer a request that succeeded.")
    for (type, latency) in state.latencies.sorted(by: { $0.key < $1.key }) {
      var sum = 0
      for (bound, count) in zip(Self.boundsMs.map { "\($0)" } + ["+Inf"], latency.counts) {
        sum += count
        text.sample(
          "milvus_cdc_request_latency_bucket", [("request_type", type), ("le", bound)], Double(sum))
      }
      text.sample("milvus_cdc_request_latency_sum", [("request_type", type)], latency.sumMs)
      text.sample("milvus_cdc_request_latency_count", [("request_type", type)], Double(sum))
    }
  }
}
