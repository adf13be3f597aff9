// The REST service's documentation, drawn from its own OpenAPI document.

import SwaggerUI from 'swagger-ui-dist/swagger-ui-es-bundle.js';
import { address } from './addresses';

SwaggerUI({
  url: address('openapi.json'),
  dom_id: '#docs',
  deepLinking: true,
  tryItOutEnabled: true,
  // By default a badge of an address elsewhere.
  validatorUrl: null,
});
