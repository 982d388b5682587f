/** The bundler collects styles into a separate file. */
declare module '*.css';
