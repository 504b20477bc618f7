/// Well-known binary as the log holds it, written as the text that Insert wants (`wal-protocol.md` §3.6, Geometry; OGC 06-103r4 §8).
///
/// ```
/// geometry  order u8 (0 big, 1 little) | type u32 | [srid u32] | body
/// point     x y [z] [m] f64            linestring  count u32, points        polygon  count u32, rings
/// others    count u32, whole geometries, each with its own order and type
/// ```
/// Both ways of saying Z and M are read: type + 1000, 2000, 3000 (ISO), and the high bits 0x80000000 and 0x40000000 (EWKB), with which
/// a reference system may stand (0x20000000); text has no place for that number, so it is left out. A point whose coordinates are all NaN is
/// the empty point. Every count is held against the bytes that are left, so a short message cannot ask for much.
package struct WellKnownBinary {
  private let bytes: [UInt8]
  private var position: Int
  private let end: Int
  private var isLittle = true

  /// Appends the text of the geometry that fills `range`.
  static func appendText(of bytes: [UInt8], _ range: Range<Int>, to text: inout [UInt8]) throws(GeometryError) {
    let range = range.clamped(to: 0..<bytes.count)
    var reader = WellKnownBinary(bytes: bytes, position: range.lowerBound, end: range.upperBound)
    try reader.geometry(member: nil, layout: nil, depth: 0, &text)
    guard reader.position == reader.end else { throw GeometryError("bytes are left after the geometry") }
  }

  package static func text(of bytes: [UInt8]) throws(GeometryError) -> String {
    var text: [UInt8] = []
    try appendText(of: bytes, 0..<bytes.count, to: &text)
    return String(decoding: text, as: UTF8.self)
  }

  private init(bytes: [UInt8], position: Int, end: Int) {
    (self.bytes, self.position, self.end) = (bytes, position, end)
  }

  /// A geometry with its head. `member` and `layout`: what a multi geometry demands of its members, whose word is not written.
  private mutating func geometry(member: GeometryKind?, layout wanted: GeometryLayout?, depth: Int, _ text: inout [UInt8])
    throws(GeometryError)
  {
    guard depth <= GeometryError.depthMax else { throw GeometryError("the geometry is nested too deep") }
    let outer = isLittle
    defer { isLittle = outer }
    let (kind, layout) = try head()
    if let wanted, wanted != layout { throw GeometryError("the members of a geometry have different dimensions") }
    if let member {
      guard member == kind else { throw GeometryError("a \(member.word) is a \(kind.word)") }
    } else {
      text.append(contentsOf: kind.word.utf8)
      text.append(contentsOf: layout.suffix.utf8)
      text.append(UInt8(ascii: " "))
    }
    try body(kind, layout, depth, &text)
  }

  private mutating func head() throws(GeometryError) -> (GeometryKind, GeometryLayout) {
    guard position < end else { throw GeometryError("the geometry is cut off") }
    switch bytes[position] {
    case 0: isLittle = false
    case 1: isLittle = true
    default: throw GeometryError("the byte order is neither 0 nor 1")
    }
    position += 1
    let code = try number()
    var layout = GeometryLayout(hasZ: code & 0x8000_0000 != 0, hasM: code & 0x4000_0000 != 0)
    if code & 0x2000_0000 != 0 { _ = try number() }
    var type = code & 0x1FFF_FFFF
    if type >= 1000 {
      let (thousands, rest) = type.quotientAndRemainder(dividingBy: 1000)
      guard thousands <= 3 else { throw GeometryError("geometry type \(type) is not known") }
      if thousands != 2 { layout.hasZ = true }
      if thousands != 1 { layout.hasM = true }
      type = rest
    }
    guard let kind = GeometryKind(rawValue: type) else { throw GeometryError("geometry type \(type) is not known") }
    return (kind, layout)
  }

  private mutating func body(_ kind: GeometryKind, _ layout: GeometryLayout, _ depth: Int, _ text: inout [UInt8])
    throws(GeometryError)
  {
    switch kind {
    case .point: try point(layout, &text)
    case .lineString: try line(layout, &text)
    case .polygon:
      let rings = try count(atLeast: 4)
      try list(rings, &text) { (reader, text) throws(GeometryError) in try reader.line(layout, &text) }
    case .multiPoint, .multiLineString, .multiPolygon, .collection:
      let members = try count(atLeast: 9)
      try list(members, &text) { (reader, text) throws(GeometryError) in
        // The members of a collection say their dimensions themselves.
        try reader.geometry(member: kind.member, layout: kind.member == nil ? nil : layout, depth: depth + 1, &text)
      }
    }
  }

  private mutating func point(_ layout: GeometryLayout, _ text: inout [UInt8]) throws(GeometryError) {
    let ordinates = try coordinate(layout)
    if ordinates.allSatisfy(\.isNaN) {
      text.append(contentsOf: "EMPTY".utf8)
      return
    }
    text.append(UInt8(ascii: "("))
    try Self.append(ordinates, &text)
    text.append(UInt8(ascii: ")"))
  }

  private mutating func line(_ layout: GeometryLayout, _ text: inout [UInt8]) throws(GeometryError) {
    let points = try count(atLeast: 8 * layout.ordinates)
    try list(points, &text) { (reader, text) throws(GeometryError) in try Self.append(try reader.coordinate(layout), &text) }
  }

  private mutating func list(
    _ count: Int, _ text: inout [UInt8], _ element: (inout WellKnownBinary, inout [UInt8]) throws(GeometryError) -> Void
  ) throws(GeometryError) {
    guard count > 0 else {
      text.append(contentsOf: "EMPTY".utf8)
      return
    }
    for index in 0..<count {
      text.append(contentsOf: (index == 0 ? "(" : ", ").utf8)
      try element(&self, &text)
    }
    text.append(UInt8(ascii: ")"))
  }

  private static func append(_ ordinates: [Double], _ text: inout [UInt8]) throws(GeometryError) {
    for (index, ordinate) in ordinates.enumerated() {
      guard ordinate.isFinite else { throw GeometryError("a coordinate is no finite number, which text cannot say") }
      if index > 0 { text.append(UInt8(ascii: " ")) }
      PlainDecimal.append(ordinate, to: &text)
    }
  }

  // MARK: Numbers

  private mutating func coordinate(_ layout: GeometryLayout) throws(GeometryError) -> [Double] {
    var ordinates: [Double] = []
    for _ in 0..<layout.ordinates { ordinates.append(Double(bitPattern: try take(8))) }
    return ordinates
  }

  private mutating func number() throws(GeometryError) -> UInt32 { UInt32(truncatingIfNeeded: try take(4)) }

  /// How many elements follow, each of at least so many bytes.
  private mutating func count(atLeast width: Int) throws(GeometryError) -> Int {
    let count = Int(try number())
    guard count <= (end - position) / width else { throw GeometryError("the geometry is cut off") }
    return count
  }

  private mutating func take(_ width: Int) throws(GeometryError) -> UInt64 {
    guard width <= end - position else { throw GeometryError("the geometry is cut off") }
    var value: UInt64 = 0
    for offset in 0..<width {
      let byte = UInt64(bytes[position + offset])
      value = isLittle ? value | byte << UInt64(8 * offset) : value << 8 | byte
    }
    position += width
    return value
  }
}
