import TestSupport
import Testing

/// What the house does not do, each with what it does instead.
@Suite struct BannedTests {
  struct Ban: Sendable {
    var name: String
    var pattern: @Sendable (String) -> Bool
    var instead: String
    var except: [String] = []
  }

  static let inSources: [Ban] = [
    Ban(name: "try!", pattern: { $0.contains("try!") }, instead: "handle the error or let it pass on"),
    Ban(name: "as!", pattern: { $0.contains(/\bas!/) }, instead: "use `as?` and say what happens otherwise"),
    Ban(
      name: "fatalError", pattern: { $0.contains(/\bfatalError\s*\(/) },
      instead: "throw, or `precondition` for an invariant of our own"),
    Ban(
      name: "print", pattern: { $0.contains(/(?:^|[^.\w])(?:debugPrint|print)\s*\(/) },
      instead: "log through the logger, or Console in cdc-bridge",
      except: ["Sources/cdc-bridge/Output/Console.swift"]),
    Ban(
      name: "detached task", pattern: { $0.contains("Task.detached") },
      instead: "give the task an owner that awaits it"),
    Ban(
      name: "blocking sleep", pattern: { $0.contains(/(?:^|[^.\w])(?:sleep|usleep)\s*\(/) },
      instead: "await the clock, or a notification"),
    Ban(
      name: "force unwrap", pattern: { $0.contains(/[\w)\]]!(?=[.\s,)\]:;]|$)(?!=)/) },
      instead: "bind it, or say with `precondition` why it cannot be nil",
      except: ["Sources/MilvusWire/CInterop/"]),
  ]

  @Test(arguments: inSources.map(\.name))
  func `Sources hold none of it`(name: String) throws {
    let ban = try #require(Self.inSources.first { $0.name == name })
    var offences: [Offence] = []
    for file in SourceTree.swift
    where file.path.hasPrefix("Sources/") && !ban.except.contains(where: { file.path.hasPrefix($0) }) {
      for (number, code) in file.codeLines() where ban.pattern(code) {
        offences.append(Offence(path: file.path, line: number, what: "\(ban.name): \(ban.instead)"))
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }

  @Test func `every unsafe expression says what makes it safe`() {
    var offences: [Offence] = []
    for file in SourceTree.swift where file.path.hasPrefix("Sources/") {
      let lines = file.lines
      for (number, code) in file.codeLines()
      where code.contains(/\bunsafe\s+[\w.(]|\bnonisolated\(unsafe\)|@unchecked\s+Sendable/) {
        // The reason stands in the comment above, at most a screen's half away, or on the line itself.
        let from = max(0, number - 25)
        let nearby = lines[from..<number]
        if !nearby.contains(where: { $0.contains("SAFETY:") || $0.contains("`@unchecked Sendable`") }) {
          offences.append(Offence(path: file.path, line: number, what: "unsafe without a SAFETY comment"))
        }
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }

  /// Assembled from halves, so that this file does not hold what it looks for.
  @Test func `no file holds a note to finish something later`() {
    let words = ["TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK"]
    var offences: [Offence] = []
    for file in SourceTree.files where !file.isGenerated && file.path != "LICENSE" {
      for (index, line) in file.lines.enumerated() {
        for word in words
        where line.contains(word) && line.split(whereSeparator: { !$0.isLetter }).contains(Substring(word)) {
          offences.append(
            Offence(path: file.path, line: index + 1, what: "holds \(word): do it, or open an issue"))
        }
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }

  @Test func `no file names a place on a developer's machine`() {
    let places = ["/work" + "/", "/tmp/" + "wt", "/ho" + "me/", "/ro" + "ot/", "/Us" + "ers/"]
    var offences: [Offence] = []
    for file in SourceTree.files where !file.isGenerated {
      for (index, line) in file.lines.enumerated() {
        for place in places where line.contains(place) && !line.contains("." + place.dropFirst()) {
          offences.append(Offence(path: file.path, line: index + 1, what: "names \(place)"))
        }
      }
    }
    #expect(offences.isEmpty, "\(offences.map(\.description).joined(separator: "\n"))")
  }
}
