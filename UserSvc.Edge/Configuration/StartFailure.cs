namespace UserSvc.Edge.Configuration;

/// <summary>What the person who starts the edge can do something about, in words; anything else is a mistake of the edge's and keeps its stack trace.</summary>
internal static class StartFailure
{
    public static string? Explain(Exception failure) => failure switch
    {
        InvalidConfigurationException invalid => invalid.Message,
        // Configuration files are first read before anything of this project runs.
        InvalidDataException broken => new InvalidConfigurationException(broken).Message,
        // A port that is taken, a certificate that is not there, a content root that is no folder.
        IOException io => io.Message,
        _ => null,
    };
}
