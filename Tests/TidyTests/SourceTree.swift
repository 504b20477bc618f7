import Foundation
import TestSupport

/// The files of the project as they lie in the working copy, read once.
struct SourceFile: Sendable {
  /// From the project's root, as `Sources/MilvusWire/Bytes/ByteReader.swift`.
  var path: String
  var text: String
  var lines: [Substring] { text.split(separator: "\n", omittingEmptySubsequences: false) }
  var isSwift: Bool { path.hasSuffix(".swift") }
  /// Written by a program from other files of the project; the house rules for hands do not apply.
  var isGenerated: Bool { path.contains("/generated/") || text.prefix(300).contains("generate-protos") }

  /// Each line without its comments and the insides of its text literals, so that a rule sees only code. Numbers count from 1.
  ///
  /// Good enough for rules, not a parser: it knows `//`, `/* */`, `"…"`, `"""` and `#"…"#`.
  func codeLines() -> [(number: Int, code: String)] {
    var result: [(Int, String)] = []
    var inBlockComment = false, inLongText = false
    for (position, line) in lines.enumerated() {
      var code = ""
      var inText = false
      var rest = line[...]
      while let character = rest.first {
        if inBlockComment {
          if rest.hasPrefix("*/") {
            inBlockComment = false; rest = rest.dropFirst(2)
          } else {
            rest = rest.dropFirst()
          }
        } else if inLongText {
          if rest.hasPrefix("\"\"\"") {
            inLongText = false; rest = rest.dropFirst(3)
          } else {
            rest = rest.dropFirst()
          }
        } else if inText {
          if character == "\\" {
            rest = rest.dropFirst(2)
          } else {
            if character == "\"" { inText = false; code.append("\"") }
            rest = rest.dropFirst()
          }
        } else if rest.hasPrefix("//") {
          break
        } else if rest.hasPrefix("/*") {
          inBlockComment = true
          rest = rest.dropFirst(2)
        } else if rest.hasPrefix("\"\"\"") {
          inLongText = true
          rest = rest.dropFirst(3)
        } else {
          if character == "\"" { inText = true }
          code.append(character)
          rest = rest.dropFirst()
        }
      }
      result.append((position + 1, code))
    }
    return result
  }
}

/// Every text file that belongs to the project: what git would take, without asking git.
enum SourceTree {
  static let files: [SourceFile] = read(TestPaths.projectRoot, prefix: "")
  static var swift: [SourceFile] { files.filter { $0.isSwift && !$0.isGenerated } }

  static let topLevel: [String] =
    (try? FileManager.default.contentsOfDirectory(atPath: TestPaths.projectRoot.path)) ?? []

  private static let ignored: Set<String> = [
    ".git", ".work", "__pycache__", ".pytest_cache", ".swiftpm", "Fixtures", "Corpus",
  ]

  private static func read(_ folder: URL, prefix: String) -> [SourceFile] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? []
    var files: [SourceFile] = []
    for name in names.sorted() where !ignored.contains(name) && !name.hasPrefix(".build") {
      let url = folder.appending(path: name)
      var isDirectory: ObjCBool = false
      _ = FileManager.default.fileExists(atPath: url.path, isDirectory: &isDirectory)
      if isDirectory.boolValue {
        files += read(url, prefix: prefix + name + "/")
      } else if let data = try? Data(contentsOf: url), data.count < 4 << 20, !data.contains(0),
        let text = String(data: data, encoding: .utf8)
      {
        files.append(SourceFile(path: prefix + name, text: text))
      }
    }
    return files
  }
}

/// One broken rule; the description is what the failing test shows.
struct Offence: CustomStringConvertible {
  var path: String
  var line: Int
  var what: String
  var description: String { "\(path):\(line): \(what)" }
}
