"use strict";

// Not inline: the Content-Security-Policy allows no inline scripts.
const container = document.getElementById("docs");
SwaggerUIBundle({
  domNode: container,
  url: container.dataset.schema,
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
});
