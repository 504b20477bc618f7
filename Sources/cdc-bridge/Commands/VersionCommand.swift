internal import CDCBridge

/// `cdc-bridge version`: the same number that `GET /version` shows.
enum VersionCommand {
  static let command = Command(
    name: "version", topic: .other, summary: "show the version", description: "Shows the version.", options: [], examples: []
  ) { _ in
    Console.print("cdc-bridge \(bridgeVersion)")
    return .success
  }
}
