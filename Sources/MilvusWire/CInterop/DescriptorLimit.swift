internal import Glibc

/// How many files and connections this process may have open.
package enum DescriptorLimit {
  /// Raises the soft limit to the hard one, as far as the system lets us; returns what then holds.
  ///
  /// The soft limit is often 1,024 for the sake of programs that use `select`. Nobody here does, and a service with a
  /// thousand idle clients must still reach its clusters.
  @discardableResult
  package static func raise() -> Int {
    var limit = rlimit()
    guard getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { return 0 }
    if limit.rlim_cur < limit.rlim_max {
      var raised = limit
      raised.rlim_cur = limit.rlim_max
      if setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &raised) == 0 { limit = raised }
    }
    return Int(clamping: limit.rlim_cur)
  }
}
