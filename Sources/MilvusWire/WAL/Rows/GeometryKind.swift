/// What well-known binary and well-known text have in common (OGC 06-103r4 §7, §8): the kinds of geometry and their numbers.
///
/// Kinds with curves (8 to 17) have no text that a Milvus server reads and are refused by number.
enum GeometryKind: UInt32, CaseIterable, Sendable {
  case point = 1, lineString = 2, polygon = 3, multiPoint = 4, multiLineString = 5, multiPolygon = 6, collection = 7

  var word: String {
    switch self {
    case .point: "POINT"
    case .lineString: "LINESTRING"
    case .polygon: "POLYGON"
    case .multiPoint: "MULTIPOINT"
    case .multiLineString: "MULTILINESTRING"
    case .multiPolygon: "MULTIPOLYGON"
    case .collection: "GEOMETRYCOLLECTION"
    }
  }

  /// The kind of every member of a multi geometry; nil where any may be, or where there are no members.
  var member: GeometryKind? {
    switch self {
    case .multiPoint: .point
    case .multiLineString: .lineString
    case .multiPolygon: .polygon
    case .point, .lineString, .polygon, .collection: nil
    }
  }
}

/// Which ordinates a coordinate has beside x and y.
struct GeometryLayout: Equatable, Sendable {
  var hasZ = false
  var hasM = false
  var ordinates: Int { 2 + (hasZ ? 1 : 0) + (hasM ? 1 : 0) }
  /// What the text says after the kind.
  var suffix: String {
    switch (hasZ, hasM) {
    case (false, false): ""
    case (true, false): " Z"
    case (false, true): " M"
    case (true, true): " ZM"
    }
  }
}

/// Why bytes or a text are no geometry. Names no coordinate.
package struct GeometryError: Error, Equatable, Sendable {
  package var what: String
  init(_ what: String) { self.what = what }

  /// A collection may hold collections; a peer decides how deep.
  package static let depthMax = 32
}
