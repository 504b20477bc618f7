import Foundation
import TestSupport
import Testing

/// The shape of the project: a reader finds things where the map says.
@Suite struct LayoutTests {
  static let allowedTopLevel: Set<String> = [
    ".ci", ".git", ".gitignore", ".swift-format", "Benchmarks", "CHANGELOG.md", "LICENSE", "Makefile",
    "NOTICE", "Package.swift", "README.md",
    "Sources", "Tests", "dev", "docs", "protos", "witness",
  ]

  @Test func `nothing new lies at the top`() {
    let strange = SourceTree.topLevel.filter {
      !Self.allowedTopLevel.contains($0) && !$0.hasPrefix(".build")
        && ![".work", ".swiftpm", ".pytest_cache"].contains($0)
    }
    #expect(strange.isEmpty, "not on the map: \(strange.sorted())")
  }

  @Test func `what every project of this kind has is there`() {
    for name in [
      "README.md", "LICENSE", "NOTICE", "CHANGELOG.md", "Makefile", ".ci/run", "docs/ARCHITECTURE.md",
    ] {
      #expect(
        FileManager.default.fileExists(atPath: TestPaths.projectRoot.appending(path: name).path), "\(name)")
    }
  }

  @Test func `folders are named after concepts`() {
    let vague: Set<String> = ["Utils", "Util", "Common", "Types", "Helpers", "Misc", "Shared", "Extensions"]
    let offences = SourceTree.files.filter {
      $0.path.split(separator: "/").contains { vague.contains(String($0)) }
    }.map(\.path)
    #expect(offences.isEmpty, "\(offences)")
  }

  @Test func `the changelog has versions, and below them only its three headings and sentences`() throws {
    let file = try #require(SourceTree.files.first { $0.path == "CHANGELOG.md" })
    #expect(file.text.hasPrefix("# Changelog\n"))
    var sections: [String] = []
    for (index, line) in file.lines.enumerated() {
      if line.hasPrefix("### ") {
        #expect(
          ["Added", "Changed", "Fixed"].contains(String(line.dropFirst(4))), "line \(index + 1): \(line)")
      } else if line.hasPrefix("## ") {
        sections.append(String(line.dropFirst(3)))
        #expect(
          line.wholeMatch(of: /## (Unreleased|\d+\.\d+\.\d+ - \d{4}-\d\d-\d\d)/) != nil,
          "line \(index + 1): \(line)")
      } else if line.hasPrefix("- ") {
        #expect(line.hasSuffix("."), "line \(index + 1) is a sentence")
        #expect(!sections.isEmpty, "line \(index + 1) belongs to a version")
      }
    }
    #expect(!sections.isEmpty)
  }

  @Test func `the README and CI run the same test command`() throws {
    let readme = try #require(SourceTree.files.first { $0.path == "README.md" })
    let ci = try #require(SourceTree.files.first { $0.path == ".ci/run" })
    #expect(readme.text.contains("make test"))
    #expect(ci.text.contains("make test"))
  }
}
