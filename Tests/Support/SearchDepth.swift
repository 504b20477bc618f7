import Foundation

/// How far tests go that search: that try every call for a fault, many seeds, thousands of damaged bytes.
///
/// With `CDC_BRIDGE_SHORT_SEARCHES` they take a part of it, as `dev/test.py` asks for under a sanitizer: what a search looks for is found
/// without one, and what a sanitizer looks for is in each kind of step, not in their number.
package enum SearchDepth {
  package static let isShort = ProcessInfo.processInfo.environment["CDC_BRIDGE_SHORT_SEARCHES"] != nil
  /// A quarter of `all`, at least one, where searches are short.
  package static func rounds(_ all: Int) -> Int { isShort ? max(1, all / 4) : all }
  /// From one place of a search to the next: each, or every seventh where searches are short.
  package static let stride = isShort ? 7 : 1
}
