internal import Glibc
internal import MilvusWire

/// The project's gRPC client and server as a program of their own, for the interoperability tests in `Tests/interop`:
/// the other side of every conversation is grpcio, or a script that misbehaves. It is not part of the product.
@main
enum Main {
  static let usage = """
    usage: wire-interop client --server HOST:PORT [OPTION]... CASE
           wire-interop server --listen HOST:PORT [OPTION]...
           wire-interop convert | types

    Options of both:    --cert F --key F
    Options of client:  --tls --ca F --server-name N --timeout-ms N --connect-timeout-ms N --receive-limit N
                        --keepalive-ms N --connections N --count N --bytes N
    Options of server:  --client-ca F --receive-limit N
    """

  static func main() async {
    StandardStreams.ignoreBrokenPipes()
    exit(await run(Array(CommandLine.arguments.dropFirst())))
  }

  /// 0: the case went as it should. 1: it did not, with the reason on standard error. 2: the command line is wrong.
  private static func run(_ words: [String]) async -> Int32 {
    do {
      let arguments = try Arguments(words)
      switch arguments.mode {
      case .client: try await ClientCommand(arguments).run()
      case .server: try await ServerCommand(arguments).run()
      case .convert: try await ConvertCommand().run()
      case .types: StandardStreams.write(MessageDescriptor.all.map { $0.name + "\n" }.joined(), to: .output)
      }
      return 0
    } catch let error as UsageError {
      StandardStreams.write("wire-interop: \(error.message)\n\(usage)\n", to: .error)
      return 2
    } catch {
      StandardStreams.write("\(error)\n", to: .error)
      return 1
    }
  }
}
