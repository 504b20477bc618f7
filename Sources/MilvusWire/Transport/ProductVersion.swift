/// The one place that names the product's version: `--version`, `GET /version` and the user agent show it.
package enum ProductVersion {
  package static let text = "0.1.0"
}
