import Foundation
import TestSupport
import Testing

@Suite struct HelpTests {
  @Test func `help without a command lists the commands`() throws {
    try Snapshot.expect(.bridge(["--help"]), equals: "help")
    #expect(try ProgramRun.bridge(["help"]).output == ProgramRun.bridge(["--help"]).output)
    #expect(try ProgramRun.bridge(["-h"]).output == ProgramRun.bridge(["--help"]).output)
  }

  /// Two blanks, the name, blanks, the summary: what the list of commands holds.
  private static let commands: [String] = {
    let overview = (try? ProgramRun.bridge(["--help"]).output) ?? ""
    return overview.matches(of: /\n  ([a-z]+)  +[^ ]/).map { String($0.1) }
  }()

  @Test func `the list holds the commands`() {
    #expect(Self.commands.count >= 8)
    #expect(Self.commands.contains("serve"))
  }

  @Test(arguments: commands)
  func `each command explains itself`(command: String) throws {
    let run = try ProgramRun.bridge([command, "--help"])
    try Snapshot.expect(run, equals: "help-\(command)")
    #expect(try ProgramRun.bridge(["help", command]).output == run.output)
  }

  @Test(arguments: commands)
  func `each command has a manual page that holds every line of its help's options`(command: String) throws {
    let help = try ProgramRun.bridge([command, "--help"]).output
    let page = try ProgramRun.bridge(["man", command])
    #expect(page.exitCode == 0)
    #expect(page.output.hasPrefix(".TH CDC\\-BRIDGE"))
    for option in help.matches(of: /\n  (?:-\w, )?--([a-z-]+)/) {
      #expect(page.output.contains("\\-\\-" + option.1.replacing("-", with: "\\-")), "\(option.1)")
    }
    // Every request of the page is one that man(7) has.
    let requests = Set(page.output.split(separator: "\n").filter { $0.hasPrefix(".") }.map { $0.prefix { $0 != " " } })
    #expect(requests.isSubset(of: [".TH", ".SH", ".SS", ".TP", ".PP", ".RS", ".RE", ".nf", ".fi"]))
  }

  @Test func `a manual page is roff`() throws {
    try Snapshot.expect(.bridge(["man", "compare"]), equals: "man-compare")
    try Snapshot.expect(.bridge(["man"]), equals: "man")
  }

  @Test func `all manual pages go into a directory`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-man-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try ProgramRun.bridge(["man", "--output", folder.path]).exitCode == 0)
    let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted()
    #expect(pages == (["cdc-bridge.1"] + Self.commands.map { "cdc-bridge-\($0).1" }).sorted())
    #expect(try ProgramRun.bridge(["man", "--output", folder.path + "/none"]).exitCode == 2)
  }

  /// Every warning that groff knows; mandoc's too where there is one.
  @Test func `manual pages are set without a warning`() throws {
    let folder = FileManager.default.temporaryDirectory.appending(path: "cdc-bridge-roff-\(UUID().uuidString)")
    try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(at: folder) }
    #expect(try ProgramRun.bridge(["man", "--output", folder.path]).exitCode == 0)
    let pages = try FileManager.default.contentsOfDirectory(atPath: folder.path).sorted().map { folder.appending(path: $0).path }
    let checks: [(program: String, arguments: [String])] = [
      ("/usr/bin/groff", ["-ww", "-man", "-Tutf8", "-z"]), ("/usr/bin/mandoc", ["-T", "lint", "-W", "warning"]),
    ]
    for check in checks where FileManager.default.fileExists(atPath: check.program) {
      for page in pages {
        let run = try ProgramRun(URL(filePath: check.program), check.arguments + [page], environment: ["PATH": "/usr/bin:/bin"])
        #expect(run.exitCode == 0 && run.error.isEmpty && run.output.isEmpty, "\(check.program) \(page): \(run)")
      }
    }
  }

  @Test func `version is one line and the same by every name`() throws {
    let run = try ProgramRun.bridge(["version"])
    #expect(run.exitCode == 0)
    #expect(run.output.wholeMatch(of: /cdc-bridge \d+\.\d+\.\d+\n/) != nil)
    #expect(try ProgramRun.bridge(["--version"]).output == run.output)
  }
}
