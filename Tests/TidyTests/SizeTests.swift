import TestSupport
import Testing

/// A file that fits in a head and a function that fits on a screen.
@Suite struct SizeTests {
  static let fileLinesMax = 600
  static let functionLinesMax = 70

  @Test func `no file is longer than six hundred lines`() {
    let offences = SourceTree.swift.filter { $0.lines.count > Self.fileLinesMax + 1 }
      .map { Offence(path: $0.path, line: $0.lines.count, what: "split it: Type+Concern.swift") }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }

  @Test func `no function is longer than seventy lines`() {
    var offences: [Offence] = []
    for file in SourceTree.swift where file.path.hasPrefix("Sources/") {
      for function in Self.functions(of: file) where function.lines > Self.functionLinesMax {
        offences.append(
          Offence(
            path: file.path, line: function.start,
            what: "\(function.lines) lines; the limit is \(Self.functionLinesMax)"))
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }

  /// Functions and initialisers by counting braces from the line that declares them.
  static func functions(of file: SourceFile) -> [(start: Int, lines: Int)] {
    var found: [(Int, Int)] = []
    let code = file.codeLines()
    for (index, line) in code.enumerated() {
      guard
        line.code.contains(
          /^\s*(?:@\w+(?:\([^)]*\))?\s+)*(?:(?:package|private|internal|fileprivate|static|final|mutating|consuming|nonisolated|override|convenience|required)\s+)*(?:func\s|init[?(<])/
        )
      else { continue }
      var depth = 0, isOpen = false
      scan: for later in code[index...] {
        for character in later.code {
          if character == "{" { depth += 1; isOpen = true }
          if character == "}" {
            depth -= 1
            if depth < 0 { break scan }
          }
          if isOpen && depth == 0 {
            found.append((line.number, later.number - line.number + 1))
            break scan
          }
        }
        // A requirement of a protocol has no body: the next declaration begins before any brace.
        if !isOpen, later.number > line.number, later.code.contains(/^\s*(?:func|var|init|case|\})/) { break }
      }
    }
    return found
  }
}
