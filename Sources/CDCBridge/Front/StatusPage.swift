internal import MilvusWire

/// `GET /`: the tasks on one page that needs nothing but itself and loads itself again every two seconds.
struct StatusPage {
  let views: TaskViews

  func response(_ snapshots: [TaskManager.Snapshot]) -> HTTPResponse {
    let time = CivilTime(unixMilliseconds: views.timekeeper.unixMilliseconds).rfc3339
    let body =
      snapshots.isEmpty
      ? "<p class=empty>No task yet. Create one with <code>POST /cdc</code>.</p>"
      : snapshots.map(section).joined()
    let page = """
      <!doctype html>
      <html lang=en><head><meta charset=utf-8><meta http-equiv=refresh content=2>
      <meta name=viewport content="width=device-width"><title>cdc-bridge</title><style>\(Self.style)</style></head>
      <body><header><h1>cdc-bridge</h1><span>\(Self.escaped(bridgeVersion)) · \(Self.escaped(time))</span></header>
      \(body)
      </body></html>

      """
    var response = HTTPResponse(.ok, contentType: "text/html; charset=utf-8", body: Array(page.utf8))
    response.fields = [
      .init(name: "Content-Security-Policy", value: "default-src 'none'; style-src 'unsafe-inline'"),
      .init(name: "X-Frame-Options", value: "DENY"),
    ]
    return response
  }

  private func section(_ snapshot: TaskManager.Snapshot) -> String {
    let reading = views.reading(snapshot)
    let phase = views.phase(snapshot)
    var rows = ""
    if let error = snapshot.progress.lastError, snapshot.state == .running {
      rows += line("last error", error, "bad")
    }
    if let pause = snapshot.state.pause { rows += line("reason", pause.reason, "bad") }
    if let hint = snapshot.state.pause?.hint ?? snapshot.progress.hint { rows += line("hint", hint) }
    rows += line("lag", reading.lagMs.map { "\(Double($0 / 100) / 10) s" } ?? "not known yet")
    rows += line(
      "written", "\(reading.inserted) inserted, \(reading.updated) updated, \(reading.deleted) deleted")
    let route = [snapshot.sourceAuthority, snapshot.targetAuthority].map { $0 ?? "?" }.joined(
      separator: " → ")
    return """
      <section class="\(Self.escaped(phase.rawValue))"><h2>\(Self.escaped(snapshot.taskID))</h2>
      <p><b>\(Self.escaped(snapshot.state.name))</b> · \(Self.escaped(phase.rawValue)) · \(Self.escaped(route))</p>
      \(bar(reading))<dl>\(rows)</dl>\(table(snapshot))</section>

      """
  }

  private func bar(_ reading: ProgressMeter.Reading) -> String {
    let percent = reading.isCopied ? 100 : reading.percent ?? 0
    let total = reading.rowsTotal.map { " of \($0)" } ?? ""
    return """
      <div class=bar><i style="width:\(min(100, max(0, percent)))%"></i></div>
      <p class=small>\(percent) % · \(reading.rowsCopied)\(total) rows in this pass</p>
      """
  }

  private func table(_ snapshot: TaskManager.Snapshot) -> String {
    guard !snapshot.progress.collections.isEmpty else { return "" }
    let rows = snapshot.progress.collections.prefix(200).map { collection in
      let total = collection.rowsTotal.map { " / \($0)" } ?? ""
      let note = [collection.lastError, collection.hint].compactMap(\.self).joined(separator: " · ")
      let cells = [
        collection.source.description, collection.target.description, collection.state.rawValue,
        "\(collection.rowsCopied)\(total)", note,
      ]
      return "<tr>" + cells.map { "<td>\(Self.escaped($0))</td>" }.joined() + "</tr>"
    }
    return
      "<table><tr><th>source</th><th>target</th><th>state</th><th>rows</th><th>note</th></tr>\(rows.joined())</table>"
  }

  private func line(_ name: String, _ value: String, _ kind: String = "") -> String {
    "<dt>\(name)</dt><dd class=\"\(kind)\">\(Self.escaped(value))</dd>"
  }

  static func escaped(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result
  }

  private static let style = """
    :root{color-scheme:light dark;--line:#8884;--good:#2a8;--busy:#27c;--warn:#d80;--bad:#d33}
    body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:1.5rem auto;padding:0 1rem}
    header{display:flex;align-items:baseline;gap:1rem}h1{font-size:1.3rem;margin:0}h2{font-size:1rem;margin:0;word-break:break-all}
    header span,.small,.empty{color:#888}p{margin:.2rem 0}
    section{border:1px solid var(--line);border-left:5px solid var(--busy);border-radius:6px;padding:.8rem 1rem;margin:1rem 0}
    section.following{border-left-color:var(--good)}section.retrying{border-left-color:var(--warn)}section.stopped{border-left-color:var(--bad)}
    .bar{height:8px;border-radius:4px;background:var(--line);overflow:hidden;margin:.4rem 0}.bar i{display:block;height:100%;background:var(--good)}
    dl{display:grid;grid-template-columns:6rem 1fr;margin:.4rem 0}dt{color:#888}dd{margin:0;word-break:break-word}dd.bad{color:var(--bad)}
    table{border-collapse:collapse;width:100%;font-size:13px}th,td{text-align:left;padding:.15rem .5rem .15rem 0;border-top:1px solid var(--line)}
    """
}
