import * as z from 'zod/mini';
import { field, integer, text } from '../../core/field.ts';
import { type FileStore, maxUploadBytes } from '../../core/files.ts';
import { type Route, route } from '../route.ts';

/** Where to upload a file that an operation will send: `file: {uploadId}`. */
export function uploadRoutes(files: FileStore): Route[] {
  return [
    route({
      tag: 'Uploads',
      area: 'uploads',
      call: 'POST /v1/uploads',
      operationId: 'createUpload',
      summary: 'Announce a file; the response says where to upload its bytes within an hour',
      write: true,
      status: 201,
      input: () => ({
        name: field(text(255), { examples: ['site-plan.pdf'] }),
        type: field(
          z.string().check(z.regex(/^[\w.+-]{1,100}\/[\w.+-]{1,100}$/, 'must be a media type such as image/png')),
          {
            examples: ['application/pdf'],
          },
        ),
        size: field(integer(0, maxUploadBytes), { description: 'In bytes; the upload must have exactly this size.' }),
      }),
      output: () =>
        z.looseObject({
          id: z.string(),
          uploadId: field(z.string(), { description: 'The same as `id`, in the form that operations accept.' }),
          method: z.string(),
          url: z.string(),
          headers: z.record(z.string(), z.string()),
          expiresAt: z.string(),
        }),
      handle: async ({ input }) => {
        const target = await files.createUpload(input);
        return { id: target.uploadId, ...target };
      },
    }),
  ];
}
