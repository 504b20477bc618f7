/// Bytes for one write, in order: those that were copied for it, and slices of arrays that leave from where they are (D3).
///
/// ```
/// copied:  | frame header | small bytes … | frame header | frame header |
/// links:            slice ┘                slice ┘              slice ┘       each stands behind the copied bytes before it
/// ```
package struct OutputChain: Sendable {
  /// A slice: what stands before it of the copied bytes ends at `copiedEnd`.
  struct Link: Sendable {
    let copiedEnd: Int
    let slice: ArraySlice<UInt8>
  }
  /// The kernel's work for one more piece costs as much as the copy of this many bytes.
  private static let sliceBytesMin = 2 << 10

  private(set) var copied: [UInt8] = []
  private(set) var links: [Link] = []
  private(set) var count = 0

  package init() {}

  package var isEmpty: Bool { count == 0 }

  /// How much memory is kept for the next bytes.
  var capacity: Int { copied.capacity }

  mutating func append(_ bytes: UnsafeBufferPointer<UInt8>) {
    copied.append(contentsOf: bytes)
    count += bytes.count
  }

  mutating func append(_ slice: ArraySlice<UInt8>) {
    count += slice.count
    if slice.count < Self.sliceBytesMin {
      copied.append(contentsOf: slice)
    } else {
      links.append(Link(copiedEnd: copied.count, slice: slice))
    }
  }

  mutating func removeAll() {
    copied.removeAll(keepingCapacity: true)
    links.removeAll(keepingCapacity: true)
    count = 0
  }

  /// All bytes in one array.
  package var flat: [UInt8] {
    if links.isEmpty { return copied }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(count)
    var start = 0
    for link in links {
      bytes.append(contentsOf: copied[start..<link.copiedEnd])
      bytes.append(contentsOf: link.slice)
      start = link.copiedEnd
    }
    bytes.append(contentsOf: copied[start...])
    return bytes
  }
}
