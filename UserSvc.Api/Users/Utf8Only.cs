using Microsoft.Net.Http.Headers;

namespace UserSvc.Api.Users;

/// <summary>
/// JSON is UTF-8 (RFC 8259, 8.1): a Content-Type with that charset, however written, is taken as one without, and any other is 415.
/// ASP.NET would throw on those it does not know, the quoted form of utf-8 among them.
/// </summary>
internal static class Utf8Only
{
    public static void UseUtf8Only(this IApplicationBuilder app) => app.Use(next => context =>
    {
        if (context.Request.ContentType is { } contentType && contentType.Contains("charset", StringComparison.OrdinalIgnoreCase)
            && MediaTypeHeaderValue.TryParse(contentType, out var type))
        {
            if (!HeaderUtilities.RemoveQuotes(type.Charset).Equals("utf-8", StringComparison.OrdinalIgnoreCase))
            {
                throw new BadHttpRequestException("charset", StatusCodes.Status415UnsupportedMediaType);
            }

            context.Request.ContentType = type.MediaType.ToString();
        }

        return next(context);
    });
}
