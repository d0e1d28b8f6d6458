"use strict";

// A file of its own: the page's Content-Security-Policy allows no inline script.
const place = document.getElementById("docs");
SwaggerUIBundle({
  domNode: place,
  url: place.dataset.schema,
  deepLinking: true,
  persistAuthorization: true,
  tryItOutEnabled: true,
});
