using System.Text;
using System.Text.Unicode;
using Microsoft.Net.Http.Headers;

namespace UserSvc.Edge.Listeners;

/// <summary>
/// How header values become text: Latin-1, one character a byte, in both directions and towards both sides. Any bytes that HTTP allows come out
/// as they came in (RFC 9110, 5.5); with UTF-8 some could not be read, and with ASCII, Kestrel's choice for answers, not be written.
/// </summary>
internal static class HeaderBytes
{
    public static Encoding ForRequest(string header) => header == HeaderNames.ContentLength ? ContentLengthDigits.Instance : Encoding.Latin1;

    public static Encoding ForAnswer(string header) => Encoding.Latin1;

    public static Encoding ForUpstream(string header, HttpRequestMessage request) => Encoding.Latin1;

    /// <summary>A value as a person reads it: as UTF-8 if it is, otherwise as Latin-1.</summary>
    public static string? Read(string? value) =>
        value is not null && !Ascii.IsValid(value) && Encoding.Latin1.GetBytes(value) is var bytes && Utf8.IsValid(bytes) ? Encoding.UTF8.GetString(bytes) : value;
}
