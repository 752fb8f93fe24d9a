// Relative to this script, not to the page: the page is at …/docs and at …/docs/, below any prefix of a proxy.
const url = new URL("../openapi.json", document.currentScript.src).href;

window.onload = () => {
  window.ui = SwaggerUIBundle({
    url,
    dom_id: "#swagger-ui",
    deepLinking: true,
    tryItOutEnabled: true,
    // Tokens and keys go with the page. In the browser's storage any script of this origin could read them.
    persistAuthorization: false,
    presets: [SwaggerUIBundle.presets.apis],
    plugins: [SwaggerUIBundle.plugins.DownloadUrl],
  });
};
