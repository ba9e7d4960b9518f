using System.Collections.Frozen;
using System.Security.Cryptography;
using Microsoft.AspNetCore.StaticFiles;
using Microsoft.Net.Http.Headers;

namespace UserSvc.Edge.Admin;

/// <summary>The page and its files, embedded in the assembly. Browsers cache them but ask each time whether they changed.</summary>
internal sealed class PageFiles
{
    private const string Prefix = "page/";

    private readonly FrozenDictionary<string, PageFile> _files =
        typeof(PageFiles).Assembly.GetManifestResourceNames().Where(name => name.StartsWith(Prefix, StringComparison.Ordinal))
            .ToFrozenDictionary(name => name[Prefix.Length..], PageFile.Read, StringComparer.Ordinal);

    internal static IResult GetPage(HttpResponse response, PageFiles files) => files.Get("index.html", response);

    internal static IResult GetFile(string? file, HttpResponse response, PageFiles files) => files.Get(file ?? "", response);

    private IResult Get(string name, HttpResponse response)
    {
        if (!_files.TryGetValue(name, out var file))
        {
            return TypedResults.NotFound();
        }

        response.Headers.CacheControl = "no-cache";
        return TypedResults.Bytes(file.Content, file.Type, entityTag: file.Tag);
    }

    private sealed record PageFile(byte[] Content, string Type, EntityTagHeaderValue Tag)
    {
        private static readonly FileExtensionContentTypeProvider Types = new();

        public static PageFile Read(string resource)
        {
            using var stream = typeof(PageFiles).Assembly.GetManifestResourceStream(resource)!;
            var content = new byte[stream.Length];
            stream.ReadExactly(content);
            var type = Types.TryGetContentType(resource, out var known) ? known : "text/plain";
            return new(content, type.StartsWith("text/", StringComparison.Ordinal) ? $"{type}; charset=utf-8" : type, new($"\"{Convert.ToHexString(SHA256.HashData(content))[..16]}\""));
        }
    }
}
