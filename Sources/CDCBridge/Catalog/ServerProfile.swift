/// What a server is and can do, from read-only probes (`public-rpc.md` §7.2) and its version.
package struct ServerProfile: Sendable, Equatable {
  package enum Kind: Sendable, Equatable { case milvus, lite }
  package struct Version: Sendable, Equatable, Comparable, CustomStringConvertible {
    package var major: Int, minor: Int, patch: Int
    package init(_ major: Int, _ minor: Int, _ patch: Int) {
      (self.major, self.minor, self.patch) = (major, minor, patch)
    }
    package static func < (a: Version, b: Version) -> Bool {
      (a.major, a.minor, a.patch) < (b.major, b.minor, b.patch)
    }
    package var description: String { "\(major).\(minor).\(patch)" }
  }
  package var kind: Kind
  /// nil: the server does not tell a number (cloud builds); then it counts as newest.
  package var version: Version?
  package var versionText: String
  package var hasAllocTimestamp = false
  package var hasDatabases = true
  package var hasDescribeDatabase = false
  package var hasTruncate = false
  package var hasAddField = false
  package var hasLog = false
  package init(kind: Kind, version: Version?, versionText: String) {
    self.kind = kind
    self.version = version
    self.versionText = versionText
  }
  package var isLite: Bool { kind == .lite }
  /// Upsert into a collection with a partition key puts rows where a filter on the key does not look: seen on 2.3.5. The fix
  /// (milvus-io/milvus#30772, #30773) came in 2024; which 2.3.x and 2.4.x have it is not known, so none of them is trusted.
  package var misplacesUpserts: Bool { !isAtLeast(2, 5) }
  /// True for Lite and for servers whose version is at least this, or is unknown.
  package func isAtLeast(_ major: Int, _ minor: Int, _ patch: Int = 0) -> Bool {
    if isLite { return true }
    guard let version else { return true }
    return version >= Version(major, minor, patch)
  }
}
